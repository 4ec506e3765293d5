// Package refstore reads and writes the reference's datastore: a tree of files,
// one for each key, below a chain of links that names the version.
//
//	current -> v1 -> v1.26 -> v1.26.1 -> v1.25.0_Fq3kZr81LmXc0aTe/
//	v1.25.0_Fq3kZr81LmXc0aTe/live/settings/ntp/time-servers                value
//	v1.25.0_Fq3kZr81LmXc0aTe/live/settings/ntp.affected-services           metadata
//	v1.25.0_Fq3kZr81LmXc0aTe/pending/TRANSACTION/settings/motd             pending value
//
// In each component of a path all bytes but letters, digits, '_' and '-' are
// written as %XX; so the first dot in a path separates data from metadata.
// A file's content is the JSON text and nothing more.
//
// Start with [Read] and [Write]. Reading trusts nothing in the folder: links
// other than the chain's, special files, and more than [MaxFiles] files or
// [MaxBytes] bytes are refused. Writing is durable, switches to the new tree
// only when all of it is on disk, and gives equal stores equal bytes.
//
// The package knows no model: what the keys and values mean is not its affair.
package refstore
