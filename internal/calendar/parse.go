package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxText bounds an expression, in bytes, and maxSpans the items of one list in it.
const (
	maxText  = 256
	maxSpans = 64
)

// words stand for whole expressions.
var words = map[string]string{
	"minutely":     "*-*-* *:*:00",
	"hourly":       "*-*-* *:00:00",
	"daily":        "*-*-* 00:00:00",
	"weekly":       "Mon *-*-* 00:00:00",
	"monthly":      "*-*-01 00:00:00",
	"quarterly":    "*-01,04,07,10-01 00:00:00",
	"semiannually": "*-01,07-01 00:00:00",
	"biannually":   "*-01,07-01 00:00:00",
	"bi-annually":  "*-01,07-01 00:00:00",
	"half-yearly":  "*-01,07-01 00:00:00",
	"yearly":       "*-01-01 00:00:00",
	"annually":     "*-01-01 00:00:00",
	"anually":      "*-01-01 00:00:00", // systemd takes it, too
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Parse reads an expression.
func Parse(text string) (Event, error) {
	if len(text) > maxText {
		return Event{}, fmt.Errorf("it is longer than %d bytes", maxText)
	}
	parts := strings.Fields(text)
	if len(parts) == 0 {
		return Event{}, errors.New("it is empty")
	}
	var e Event
	if len(parts) > 1 {
		if zone, ok := parseZone(parts[len(parts)-1]); ok {
			e.zone, parts = zone, parts[:len(parts)-1]
		}
	}
	if whole, ok := words[strings.ToLower(parts[0])]; ok && len(parts) == 1 {
		parts = strings.Fields(whole)
	}
	return e, e.parse(parts)
}

// parse reads weekdays, date and time, of which one at least is there.
func (e *Event) parse(parts []string) error {
	midnight := field{{0, 0, 1}}
	e.hour, e.minute, e.second = midnight, midnight, midnight
	if letter(parts[0][0]) {
		if err := e.parseWeekdays(strings.TrimSuffix(parts[0], ",")); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 && strings.ContainsAny(parts[0], "-~") {
		if err := e.parseDate(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 && strings.Contains(parts[0], ":") {
		if err := e.parseTime(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		return fmt.Errorf("'%s' is no part of WEEKDAYS YEAR-MONTH-DAY HOUR:MINUTE:SECOND ZONE in that place", parts[0])
	}
	return nil
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// parseZone knows UTC and the names of the zones database.
func parseZone(name string) (*time.Location, bool) {
	if strings.EqualFold(name, "UTC") {
		return time.UTC, true
	}
	if !letter(name[0]) || !strings.Contains(name, "/") {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

func (e *Event) parseWeekdays(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(item, "..")
		if !ranged {
			from, to, ranged = strings.Cut(item, "-")
		}
		low, err := weekday(from)
		high := low
		if err == nil && ranged {
			high, err = weekday(to)
		}
		if err != nil {
			return err
		}
		// A week begins with Monday: Sat..Mon is none.
		if (low+6)%7 > (high+6)%7 {
			return fmt.Errorf("%s comes before %s in '%s': a week begins on Monday", to, from, item)
		}
		for day := low; ; day = (day + 1) % 7 {
			e.weekdays[day] = true
			if day == high {
				break
			}
		}
	}
	return nil
}

func weekday(text string) (int, error) {
	name := strings.ToLower(text)
	for i, whole := range weekdays {
		if name == whole || name == whole[:3] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("'%s' is no day of the week, such as Sat, nor a word such as daily", text)
}

// parseDate reads YEAR-MONTH-DAY, MONTH-DAY, or the same with DAY counted from the end of the month, behind ~.
func (e *Event) parseDate(text string) error {
	head, day, fromEnd := strings.Cut(text, "~")
	if !fromEnd {
		at := strings.LastIndexByte(text, '-')
		head, day = text[:at], text[at+1:]
	}
	e.fromEnd = fromEnd
	year, month, whole := strings.Cut(head, "-")
	if !whole {
		year, month = "*", head
	}
	var errs [3]error
	e.year, errs[0] = parseField("year", year, 0, lastYear)
	e.month, errs[1] = parseField("month", month, 1, 12)
	e.day, errs[2] = parseField("day", day, 1, 31)
	if fromEnd {
		e.day.turn()
	}
	for i := range e.year {
		e.year[i] = span{century(e.year[i].low), century(e.year[i].high), e.year[i].step}
	}
	return errors.Join(errs[:]...)
}

// turn makes the steps of days that are counted from the end of a month go
// towards that end: ~07/1 is the last seven days.
func (f field) turn() {
	for i, s := range f {
		if s.high == 31 && s.low < s.high {
			f[i] = span{(s.low-1)%s.step + 1, s.low, s.step}
		}
	}
}

// century completes years of two digits: 70 to 99 are of the last century.
func century(year int) int {
	switch {
	case year < 70:
		return year + 2000
	case year < 100:
		return year + 1900
	}
	return year
}

func (e *Event) parseTime(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return fmt.Errorf("'%s' is no HOUR:MINUTE:SECOND", text)
	}
	var errs [3]error
	e.hour, errs[0] = parseField("hour", parts[0], 0, 23)
	e.minute, errs[1] = parseField("minute", parts[1], 0, 59)
	if len(parts) == 3 {
		e.second, errs[2] = parseField("second", parts[2], 0, 59)
	}
	return errors.Join(errs[:]...)
}

// parseField reads a list of *, N, N..M, each perhaps with /STEP behind it.
func parseField(what, text string, low, high int) (field, error) {
	if text == "*" {
		return nil, nil
	}
	var f field
	for item := range strings.SplitSeq(text, ",") {
		s, err := parseSpan(item, low, high)
		if err != nil {
			return nil, fmt.Errorf("%s '%s': %w", what, text, err)
		}
		if f = append(f, s); len(f) > maxSpans {
			return nil, fmt.Errorf("%s: more than %d items", what, maxSpans)
		}
	}
	return f, nil
}

func parseSpan(text string, low, high int) (span, error) {
	body, step, stepped := strings.Cut(text, "/")
	s := span{step: 1}
	var err error
	if stepped {
		if s.step, err = number(step, 1, high); err != nil {
			return s, err
		}
	}
	from, to, ranged := strings.Cut(body, "..")
	switch {
	case body == "*":
		s.low, s.high = low, high
		return s, nil
	case ranged:
		if s.high, err = number(to, low, high); err != nil {
			return s, err
		}
	}
	if s.low, err = number(from, low, high); err != nil {
		return s, err
	}
	switch {
	case ranged && s.high < s.low:
		return s, fmt.Errorf("%s comes before %s", to, from)
	case !ranged && stepped:
		s.high = high
	case !ranged:
		s.high = s.low
	}
	return s, nil
}

func number(text string, low, high int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || int(n) < low || int(n) > high {
		return 0, fmt.Errorf("'%s' is no number from %d to %d", text, low, high)
	}
	return int(n), nil
}
