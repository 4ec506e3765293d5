package server

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processValues is what collectors expect to know of every process. Whatever
// Prometheus' own client for Go tells as well has the name that it has there.
func processValues() map[string]float64 {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	values := map[string]float64{
		"go_goroutines":                                  float64(runtime.NumGoroutine()),
		"go_memstats_alloc_bytes":                        float64(memory.Alloc),
		"go_memstats_heap_alloc_bytes":                   float64(memory.HeapAlloc),
		"go_memstats_heap_objects":                       float64(memory.HeapObjects),
		"go_memstats_heap_released_bytes":                float64(memory.HeapReleased),
		"go_memstats_alloc_bytes_total":                  float64(memory.TotalAlloc),
		"go_memstats_mallocs_total":                      float64(memory.Mallocs),
		"go_memstats_stack_inuse_bytes":                  float64(memory.StackInuse),
		"go_memstats_sys_bytes":                          float64(memory.Sys),
		"go_memstats_last_gc_time_seconds":               float64(memory.LastGC) / 1e9,
		"go_gc_duration_seconds_count":                   float64(memory.NumGC),
		"go_gc_duration_seconds_sum":                     time.Duration(memory.PauseTotalNs).Seconds(),
		"go_info{version=\"" + runtime.Version() + "\"}": 1,
	}
	readFiles(values)
	readUsage(values)
	readStatm(values)
	return values
}

// readFiles adds how many files the process has open, and may have.
func readFiles(values map[string]float64) {
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		values["process_open_fds"] = float64(len(fds) - 1) // one is the folder's
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		values["process_max_fds"] = float64(limit.Cur)
	}
}

// readUsage adds what the kernel counts for a process, getrusage(2).
func readUsage(values map[string]float64) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return
	}
	user, system := time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
	values["process_cpu_seconds_user_total"] = user.Seconds()
	values["process_cpu_seconds_system_total"] = system.Seconds()
	values["process_cpu_seconds_total"] = (user + system).Seconds()
	values["process_minor_pagefaults_total"] = float64(usage.Minflt)
	values["process_major_pagefaults_total"] = float64(usage.Majflt)
	values["process_resident_memory_peak_bytes"] = float64(usage.Maxrss << 10)
}

// readStatm adds how large the process is: the first two fields of
// /proc/PID/statm, proc(5), in pages.
func readStatm(values map[string]float64) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	fields := bytes.Fields(text)
	for i, name := range []string{"process_virtual_memory_bytes", "process_resident_memory_bytes"} {
		if i < len(fields) {
			pages, _ := strconv.ParseInt(string(fields[i]), 10, 64)
			values[name] = float64(pages * int64(os.Getpagesize()))
		}
	}
}
