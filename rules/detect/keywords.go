package detect

import (
	"strings"
	"unicode/utf8"
)

// spoken is what the words before an identifier speak of.
type spoken struct {
	known bool
	set   Detectors
}

// Bounds of the look back at words.
const (
	maxWord    = 12 // letters of the longest word that is known
	maxFillers = 3  // words between the one that says it and the identifier
	maxBetween = 6  // characters between two words
)

// speaks reports whether the words right before the chain, or the name of the
// member, say that a detector's identifier stands there.
func (f *Seeker) speaks(d Detector) bool {
	if !f.spoken.known {
		f.spoken = spoken{known: true, set: f.speaksBefore(f.chain.at(0).start)}
	}
	return f.spoken.set.Has(d)
}

// speaksBefore returns what the words before offset i, and the name, speak of.
func (f *Seeker) speaksBefore(i int) Detectors {
	if !f.namedKnown {
		w := words{text: f.name, at: len(f.name), name: true}
		f.named, f.namedKnown = w.spoken(), true
	}
	w := words{text: f.text, at: i}
	set := f.named | w.spoken()
	f.steps += i - w.at
	return set
}

// words reads words from behind.
type words struct {
	text []byte
	at   int
	name bool // of a member: camelCase divides words, and digits do
}

// spoken returns the detectors of which the words before w.at speak: "MRN",
// "Medical Record No.", "phone number is".
func (w *words) spoken() Detectors {
	var buf [maxWord]byte
	numbering, identity := false, false
	for range maxFillers + 1 {
		switch word := w.back(&buf); word {
		case "is", "was", "are", "on", "of", "ref", "numbers", "ids":
		case "no", "nr", "num", "number", "nbr":
			numbering = true
		case "id", "identifier", "code":
			identity = true
		default:
			return w.subject(word, numbering, identity)
		}
	}
	return 0
}

// subject returns what a word stands for, with those before it. numbering says
// that a word for a number follows, identity that one for an identifier does.
func (w *words) subject(word string, numbering, identity bool) Detectors {
	var buf [maxWord]byte
	switch word {
	case "nhs", "chi":
		return 1 << NHSNumber
	case "ssn", "ss":
		return 1 << SSN
	case "security", "sec":
		if before := w.back(&buf); before == "social" || before == "soc" {
			return 1 << SSN
		}
	case "mrn", "medrec":
		return 1 << MRN
	case "record", "rec":
		if before := w.back(&buf); before == "medical" || before == "med" || before == "patient" || before == "health" {
			return 1 << MRN
		}
	case "patient", "chart":
		if numbering || identity {
			return 1 << MRN
		}
	case "hospital", "mr":
		if numbering {
			return 1 << MRN
		}
	case "phone", "telephone", "tel", "mobile", "mob", "cell", "cellphone", "fax", "ph", "whatsapp", "call", "dial", "sms":
		return 1 << Phone
	case "contact":
		if numbering {
			return 1 << Phone
		}
	case "npi":
		return 1 << NPI
	case "provider":
		if identity {
			return 1 << NPI
		}
	}
	return w.birth(word)
}

// birth is subject for the words that a date of birth follows.
func (w *words) birth(word string) Detectors {
	var buf [maxWord]byte
	switch word {
	case "dob", "born", "birthdate", "birthday":
		return 1 << DateOfBirth
	case "date":
		if w.back(&buf) == "birth" {
			return 1 << DateOfBirth
		}
	case "birth":
		before := w.back(&buf)
		if before == "of" {
			before = w.back(&buf)
		}
		if before == "date" {
			return 1 << DateOfBirth
		}
	case "b": // D.O.B.
		if w.back(&buf) == "o" && w.back(&buf) == "d" {
			return 1 << DateOfBirth
		}
	}
	return 0
}

// back returns the word before w.at in small letters, in buf, and goes before
// it. It is empty where none stands there, or one that is too long.
func (w *words) back(buf *[maxWord]byte) string {
	if !w.between() {
		return ""
	}
	n, small := 0, false
	for w.at > 0 {
		c := w.text[w.at-1]
		if !letter(c) {
			if c >= utf8.RuneSelf {
				return "" // a word of other letters
			}
			break
		}
		upper := c&0x20 == 0
		if w.name && n > 0 && !upper && !small {
			break // patientMRN
		}
		if n == maxWord {
			return ""
		}
		n++
		buf[maxWord-n] = c | 0x20
		w.at--
		small = small || !upper
		if w.name && upper && small {
			break // nhsNumber
		}
	}
	return known(buf[maxWord-n:])
}

// between passes over what may stand between words.
func (w *words) between() bool {
	for range maxBetween {
		if w.at == 0 {
			return false
		}
		c := w.text[w.at-1]
		switch {
		case letter(c):
			return true
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeLastRune(w.text[:w.at])
			if k := wideClass(r); k == classOther || k == classWeak {
				return false
			}
			w.at -= size
		case c-'0' <= 9:
			if !w.name {
				return false
			}
			w.at--
		default:
			if !betweenWords[c] {
				return false
			}
			w.at--
		}
	}
	return w.at > 0 && letter(w.text[w.at-1])
}

var betweenWords = func() (t [utf8.RuneSelf]bool) {
	for _, c := range " \t\r\n:=#.-_()[]\"'+/|*~" {
		t[c] = true
	}
	return t
}()

// known returns a word as a constant, empty for one that says nothing.
func known(word []byte) string { return knownWords[string(word)] }

var knownWords = func() map[string]string {
	m := map[string]string{}
	for _, w := range strings.Fields(`is was are on of ref numbers ids no nr num number nbr id identifier code
		nhs chi ssn ss security sec social soc mrn medrec record rec medical med patient health chart hospital mr
		phone telephone tel mobile mob cell cellphone fax ph whatsapp call dial sms contact npi provider
		dob born birthdate birthday birth date b o d`) {
		m[w] = w
	}
	return m
}()

// Spoken returns the detectors of which a member's name says that its value is
// what they find: nhsNumber, patient_mrn, dateOfBirth.
func Spoken(name []byte) Detectors {
	w := words{text: name, at: len(name), name: true}
	return w.spoken()
}
