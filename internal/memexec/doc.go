// Package memexec runs executables that nobody should have to trust: from
// sealed memory, with a document on standard input, one on standard output, and
// nothing else of the host within reach.
//
// Start with [Load], which puts an executable into a memory file and seals it:
// what was verified is what runs, whatever becomes of the file it came from.
// [Sandbox.Start] starts it, [Process.Run] hands it a document and takes the
// answer.
//
// Between fork and exec, Go cannot restrict a process as far as needed. So the
// program that uses this package starts itself again under the name [Stage]; that
// process restricts itself and becomes the executable, with execveat(2) of the
// sealed file (stage.go). Every program that links this package can do that.
//
// What an executable meets, in the order in which it is put on:
//
//	namespaces     of its own: network, processes, host name; users, unless root starts it
//	limits         processor time, memory, no core dumps, no files, no processes
//	identity       user and group 65534, no further groups, no capabilities
//	no_new_privs   nothing that it could execute would give it more
//	landlock       no file but those that it is given, no network, no signal to others
//	seccomp        the system calls that a runtime needs (seccomp.go), no others:
//	               nothing is opened, no socket, no process, no executable memory
//
// A program that cannot do without files is given some with [Sandbox.StartWith]:
// a file system in memory is its root, and nothing of the host is below it
// ([Files]). It is mounted nowhere, so that nothing is left of it, whoever is
// killed. Landlock and seccomp let it read and write there, and make neither
// links nor special files.
//
// The kernel may lack some of these, and an unprivileged caller may not use all;
// [Process.Missing] names what was left out. The caller bounds time and the sizes
// of answer and messages, and kills the whole process group.
//
// Only static executables run: a loader would have to open files. Scripts do
// not, for the same reason.
package memexec
