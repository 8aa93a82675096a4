/** Style sheets are imported only for their effect; the bundler turns them into a file. */
declare module "*.css";
