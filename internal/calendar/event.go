package calendar

import (
	"slices"
	"time"
)

// Event is a parsed expression. The zero value never happens.
type Event struct {
	weekdays             [7]bool // from Sunday; all false: every day
	year, month, day     field
	hour, minute, second field
	fromEnd              bool           // days are counted from the end of the month
	zone                 *time.Location // nil: that of the time that Next is asked for
}

// A field is the values that a part of a time may have; nil allows all.
type field []span

// span is from low to high, each step-th value.
type span struct{ low, high, step int }

func (s span) has(n int) bool { return n >= s.low && n <= s.high && (n-s.low)%s.step == 0 }

func (f field) has(n int) bool {
	return f == nil || slices.ContainsFunc(f, func(s span) bool { return s.has(n) })
}

// lastYear is how far Next looks.
const lastYear = 2199

// Next is the first time after t that the event names, in t's zone; false if
// there is none before the year 2200.
func (e Event) Next(t time.Time) (time.Time, bool) {
	zone := e.zone
	if zone == nil {
		zone = t.Location()
	}
	from := t.In(zone)
	for day := time.Date(from.Year(), from.Month(), from.Day(), 12, 0, 0, 0, zone); day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		switch {
		case !e.year.has(day.Year()):
			day = time.Date(day.Year(), 12, 31, 12, 0, 0, 0, zone)
			continue
		case !e.month.has(int(day.Month())):
			day = time.Date(day.Year(), day.Month()+1, 0, 12, 0, 0, 0, zone)
			continue
		case !e.onDay(day):
			continue
		}
		if found, ok := e.within(day, t); ok {
			return found.In(t.Location()), true
		}
	}
	return time.Time{}, false
}

func (e Event) onDay(day time.Time) bool {
	n := day.Day()
	if e.fromEnd {
		n = time.Date(day.Year(), day.Month()+1, 0, 12, 0, 0, 0, day.Location()).Day() - n + 1
	}
	return e.day.has(n) && (e.weekdays == [7]bool{} || e.weekdays[day.Weekday()])
}

// within finds the first time of a day that is after t. A time that a change
// of the clock leaves out does not happen.
func (e Event) within(day, t time.Time) (time.Time, bool) {
	for hour := range 24 {
		if !e.hour.has(hour) || !time.Date(day.Year(), day.Month(), day.Day(), hour, 59, 59, 0, day.Location()).After(t) {
			continue
		}
		for minute := range 60 {
			if !e.minute.has(minute) {
				continue
			}
			for second := range 60 {
				if !e.second.has(second) {
					continue
				}
				at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, second, 0, day.Location())
				if at.After(t) && at.Hour() == hour && at.Minute() == minute {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}

// Window is a length of time that begins whenever an event happens.
type Window struct {
	Event  Event
	Length time.Duration
}

// At is the window that is open at t or, if none is, the next one that opens;
// false if there is none.
func (w Window) At(t time.Time) (opens, closes time.Time, ok bool) {
	opens, ok = w.Event.Next(t.Add(-w.Length))
	return opens, opens.Add(w.Length), ok
}
