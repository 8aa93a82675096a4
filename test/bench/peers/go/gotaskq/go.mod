module example.com/gotaskq-bench/gotaskq

go 1.24

require connectrpc.com/connect v1.18.1
