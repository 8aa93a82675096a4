import { createRegistry, type Registry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.js";

/** The types that the details of a google.rpc.Status may have: in JSON they are written as what they are. */
export const ERROR_DETAILS: Registry = createRegistry(file_google_rpc_error_details);
