package gpt

import "errors"

var (
	// ErrNoTable is returned when neither copy of a table counts.
	ErrNoTable = errors.New("no partition table that counts")

	// ErrChanged is returned when the table on the disk is no longer the one that was read and changed.
	ErrChanged = errors.New("the partition table on the disk has changed since it was read")

	// ErrLocked is returned when another program keeps the disk locked.
	ErrLocked = errors.New("another program keeps the disk locked")
)
