// Package takeover brings the settings of a host of the reference into our
// datastore, and ours into one that the reference can use, so that a host can
// change and change back.
//
// Start with [Import] and [Export]; [First] is what the first boot does. How
// the reference stores things is package refstore's affair.
//
// # What becomes of a value on the way in
//
// The reference keeps defaults, user data, generated values and what somebody
// has set in one place, and does not note which is which. A value that equals
// the image's default is not stored, so that later defaults reach the host; one
// that is weak is not, as it ends with the version. One whose key has a
// generator there goes to the layer generated, any other to the user's. All have the origin that they have: the program migrator,
// transaction "import". Services, configuration files and metadata are the
// image's here, and are left.
package takeover
