// Package calendar reads systemd's calendar expressions, such as
// "Sat,Sun 02:00" or "Mon..Fri *-*-* 04:30:00 Europe/Berlin", and finds the next
// time that one names: systemd.time(7), "Calendar Events".
//
// Start with [Parse], then [Event.Next]. Fractions of a second and times as
// @SECONDS are refused: nobody needs them for a window in which a host may
// reboot. A test compares what it finds with systemd-analyze.
package calendar
