// Package migrationtest tests migrations.
//
// Start with [Suite]: it says what is true of a migration, and [Suite.Run]
// tries it, with the documents of a folder and with random ones. [Build] makes
// a migration the static program that hosts run.
//
// A folder of documents has a folder for each case. In it are before.json, a
// document of the older version; after.json, what forward makes of it; and
// back.json, what backward makes of that, if it is not before.json again:
//
//	testdata/CASE/before.json
//	testdata/CASE/after.json
//	testdata/CASE/back.json
//
// The package does not know the model: whether the newer image accepts what a
// migration answers is shown by the rehearsal that an update makes.
package migrationtest
