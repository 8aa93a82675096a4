module example.com/gotaskq-client

go 1.22

require (
	connectrpc.com/connect v1.18.1
	google.golang.org/genproto/googleapis/rpc v0.0.0-20241209162323-e6fa225c2576
	google.golang.org/protobuf v1.36.6
)
