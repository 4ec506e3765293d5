package model

//go:generate go test -run ^TestReference$ -update .
