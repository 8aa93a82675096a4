module example.com/gotaskq-bench/drive

go 1.24
