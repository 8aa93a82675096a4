module example.com/gotaskq-bench/gotaskq

go 1.24

require (
	connectrpc.com/connect v1.18.1
	example.com/gotaskq-bench/drive v0.0.0
	example.com/gotaskq-client v0.0.0
)

require google.golang.org/protobuf v1.36.6 // indirect

replace example.com/gotaskq-bench/drive => ../drive

replace example.com/gotaskq-client => ../../../../clients/go
