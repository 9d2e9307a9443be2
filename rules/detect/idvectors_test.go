package detect

import (
	"bufio"
	"encoding/json"
	"testing"
)

// otherwise are the vectors that this package judges in another way, and why.
var otherwise = map[string]string{
	"My Israeli number is 09-7625400":                                             "a national form of neither the US nor the UK",
	"My CN number is 13812345678":                                                 "a national form of neither the US nor the UK",
	"My US number is (415) 555-0132, and my international one is415-555-0132":     "letters are tied to it",
	"My US number is (415) 555-0132, and my international one is 91-415-555-0132": "international, without a plus sign",
	"My US number is (415) 555-0132, and my international one is +91 4155 550132": "the vectors have it both ways",
	"0032698674":            "no range that is given out, and no word before it",
	"1234567893":            "no word before it: it could be a time",
	"1245319599":            "no word before it: it could be a time",
	"1003000126":            "no word before it: it could be a time",
	"078-051121 07805-1121": "not divided as 3-2-4, and no word before it",
	"078051121":             "undivided, and no word before it",
}

func TestIdentifierVectors(t *testing.T) {
	entities := map[string]Detector{"UK_NHS": NHSNumber, "US_SSN": SSN, "EMAIL_ADDRESS": Email, "PHONE_NUMBER": Phone, "US_NPI": NPI, "IBAN_CODE": IBAN}
	lines := bufio.NewScanner(vectors(t, "phi/presidio.jsonl"))
	judged, others := 0, map[string]bool{}
	for lines.Scan() {
		var v struct {
			Entities  []string `json:"entities"`
			Text      string   `json:"text"`
			Len       *int     `json:"expected_len"`
			Positions [][2]int `json:"expected_positions"`
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if len(v.Entities) == 0 || v.Len == nil {
			continue
		}
		d, ok := entities[v.Entities[0]]
		if !ok {
			continue
		}
		if otherwise[v.Text] != "" {
			others[v.Text] = true
			continue
		}
		judged++
		got := new(Seeker).Find(d.Set(), nil, []byte(v.Text))
		if len(got) != *v.Len {
			t.Errorf("%s in %q: %v, want %v", d, v.Text, got, v.Positions)
			continue
		}
		for i, want := range v.Positions {
			if got[i].Start != want[0] || got[i].End != want[1] {
				t.Errorf("%s in %q: %v, want %v", d, v.Text, got, v.Positions)
			}
		}
	}
	if err := lines.Err(); err != nil || judged < 380 || len(others) != len(otherwise) {
		t.Errorf("%d judged, %d otherwise, %v", judged, len(others), err)
	}
}
