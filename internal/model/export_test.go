package model

// Formats are the checks of formats, for a judge that does not know ours.
var Formats = formats
