/** Style sheets are imported for their effect; the bundler makes a file of them. */
declare module "*.css";
