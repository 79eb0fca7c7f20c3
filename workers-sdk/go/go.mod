module workman

go 1.18
