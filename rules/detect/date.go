package detect

// The years of a date that is taken for one.
const (
	firstYear = 1850
	lastYear  = 2199
)

// Date reads a date at the beginning of a text and returns the bytes that it
// takes, zero for none, and its year, which is zero where it has two digits and
// could be of any century. It reads what ISO 8601 has (2026-11-22, 20261122),
// day, month and year in either order with the same mark between (22/11/2026,
// 11-22-2026, 22.11.2026), and months by their English names (22 Nov 2026,
// November 22nd, 2026). The day must be one that some month has. All of it is
// ASCII.
func Date(text []byte) (size, year int) {
	if len(text) == 0 {
		return 0, 0
	}
	if letter(text[0]) {
		return monthFirst(text)
	}
	a, n := number2(text, 4)
	switch {
	case n == 4:
		if size = yearFirst(text, a); size > 0 {
			return size, a
		}
		return compact(text)
	case n == 1 || n == 2:
		return dayOrMonth(text, a, n)
	}
	return 0, 0
}

// number2 reads at most so many digits.
func number2(text []byte, most int) (value, n int) {
	for n < len(text) && n < most && text[n]-'0' <= 9 {
		value = value*10 + int(text[n]-'0')
		n++
	}
	return value, n
}

func digitAt(text []byte, i int) bool { return i < len(text) && text[i]-'0' <= 9 }

// yearFirst reads the rest of 2026-11-22.
func yearFirst(text []byte, year int) (size int) {
	if len(text) < 8 || text[4] != '-' && text[4] != '/' && text[4] != '.' || !ValidYear(year) {
		return 0
	}
	month, n := number2(text[5:], 2)
	at := 5 + n
	if n == 0 || at >= len(text) || text[at] != text[4] {
		return 0
	}
	day, n := number2(text[at+1:], 2)
	if at += 1 + n; n == 0 || !validDay(day, month) || digitAt(text, at) {
		return 0
	}
	return at
}

// compact reads 20261122.
func compact(text []byte) (size, year int) {
	value, n := number2(text, 9)
	if n != 8 || !ValidYear(value/1e4) || !validDay(value%100, value/100%100) {
		return 0, 0
	}
	return n, value / 1e4
}

// dayOrMonth reads what begins with a day or a month of n digits.
func dayOrMonth(text []byte, a, n int) (size, year int) {
	if n >= len(text) || digitAt(text, n) {
		return 0, 0
	}
	if mark := text[n]; mark == '/' || mark == '-' || mark == '.' {
		b, more := number2(text[n+1:], 2)
		at := n + 1 + more
		if more > 0 && at < len(text) && text[at] == mark && (validDay(a, b) || validDay(b, a)) {
			return yearLast(text, at+1)
		}
		if more > 0 {
			return 0, 0
		}
	}
	at := blanks(text, ordinal(text, n))
	month, size := monthName(text[at:])
	if size == 0 || !validDay(a, month) {
		return 0, 0
	}
	return yearLast(text, blanks(text, at+size))
}

// monthFirst reads November 22nd, 2026.
func monthFirst(text []byte) (size, year int) {
	month, at := monthName(text)
	if at == 0 {
		return 0, 0
	}
	at = blanks(text, at)
	day, n := number2(text[at:], 2)
	if n == 0 || !validDay(day, month) || digitAt(text, at+n) {
		return 0, 0
	}
	return yearLast(text, blanks(text, ordinal(text, at+n)))
}

// yearLast reads a year of four or two digits, with which a date ends.
func yearLast(text []byte, at int) (size, year int) {
	if at >= len(text) {
		return 0, 0
	}
	year, n := number2(text[at:], 5)
	switch {
	case n == 4 && ValidYear(year):
		return at + n, year
	case n == 2:
		return at + n, 0
	}
	return 0, 0
}

// ordinal passes over st, nd, rd and th.
func ordinal(text []byte, i int) int {
	if i+2 <= len(text) {
		switch string([]byte{text[i] | 0x20, text[i+1] | 0x20}) {
		case "st", "nd", "rd", "th":
			return i + 2
		}
	}
	return i
}

// blanks passes over at most two of what stands between the parts of a date.
func blanks(text []byte, i int) int {
	for k := 0; k < 2 && i < len(text) && (text[i] == ' ' || text[i] == ',' || text[i] == '-' || text[i] == '.'); k++ {
		i++
	}
	return i
}

var monthNames = [...]string{
	"january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december",
}

// monthName reads the English name of a month, or its first three letters, or
// sept.
func monthName(text []byte) (month, size int) {
	for size < len(text) && size <= len("september") && letter(text[size]) {
		size++
	}
	for i, name := range monthNames {
		if (size == 3 || size == len(name) || size == 4 && i == 8) && size <= len(name) && folds(text[:size], name[:size]) {
			return i + 1, size
		}
	}
	return 0, 0
}

// folds compares letters with small ones.
func folds(text []byte, small string) bool {
	for i := range text {
		if text[i]|0x20 != small[i] {
			return false
		}
	}
	return true
}

// ValidYear reports whether a year is one that Date takes.
func ValidYear(year int) bool { return year >= firstYear && year <= lastYear }

func validDay(day, month int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= daysOf[month-1]
}

var daysOf = [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// dateOfBirth finds a date, or a year, behind a word that says that somebody was
// born then.
func (f *Seeker) dateOfBirth() (start, end int) {
	start = f.chain.at(0).start
	w := words{text: f.text, at: start}
	if w.between() { // November 22
		at := w.at
		for at > 0 && start-at < maxWord+maxBetween && letter(f.text[at-1]) {
			at--
		}
		if size, _ := monthFirst(f.text[at:]); size > 0 && f.speaksBefore(at).Has(DateOfBirth) {
			return at, at + size
		}
	}
	size, _ := Date(f.text[start:])
	if g := f.chain.at(0); size == 0 && g.n == 4 && ValidYear(int(g.value)) {
		size = g.end - start
	}
	if size == 0 || !f.speaks(DateOfBirth) || digitAt(f.text, start+size) {
		return 0, 0
	}
	return start, start + size
}
