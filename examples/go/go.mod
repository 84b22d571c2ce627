module example.com/rag

go 1.26.0
