"""Makes a plugin for buf of the gRPC generator that grpcio-tools has inside its protoc."""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc

request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
response = plugin_pb2.CodeGeneratorResponse(
    supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
)
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    files = descriptor_pb2.FileDescriptorSet(file=request.proto_file)
    (folder / "in").write_bytes(files.SerializeToString())
    (folder / "out").mkdir()
    code = protoc.main(
        ["protoc", f"--descriptor_set_in={folder / 'in'}", f"--grpc_python_out={folder / 'out'}"]
        + list(request.file_to_generate)
    )
    if code != 0:
        sys.exit(code)
    for path in sorted((folder / "out").rglob("*.py")):
        response.file.add(name=str(path.relative_to(folder / "out")), content=path.read_text())
sys.stdout.buffer.write(response.SerializeToString())
