// Package repo holds the tests of the repository itself: which package may
// import which, package documentation, sizes, links and dependencies.
//
// Each rule is a table or a test of its own with the reason beside it; an
// exception belongs into the rule's allow list, with its reason. It deliberately
// tests no behaviour: that is what the packages' own tests do.
package repo
