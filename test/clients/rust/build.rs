//! Generates the code of the protos. protox compiles them: no protoc is needed.

const PROTOS: &str = "../../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTOS}");
    let services = ["job_service", "worker_service"].map(|name| format!("gotaskq/v1/{name}.proto"));
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(protox::compile(services, [PROTOS])?)?;
    Ok(())
}
