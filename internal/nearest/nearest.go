package nearest

import "strings"

// Name finds the candidate that a misspelt or shortened name probably
// means; empty: none is near enough.
func Name(name string, candidates []string) string {
	best, bestDistance := "", max(2, len(name)/3+1) // one letter in three may be wrong
	for _, c := range candidates {
		if d := Distance(name, c, bestDistance); d < bestDistance && d < min(len(name), len(c)) {
			best, bestDistance = c, d
		}
	}
	if best == "" && len(name) > 2 {
		return containing(name, candidates)
	}
	return best
}

// containing finds the first candidate that has name as whole words: servers
// means time-servers.
func containing(name string, candidates []string) string {
	for _, c := range candidates {
		if strings.Contains("-"+c+"-", "-"+name+"-") {
			return c
		}
	}
	return ""
}

// Distance is the number of letters to insert, remove, replace or swap with
// their neighbour to get from a to b, or limit if it is not below limit.
func Distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
