package detect

import (
	"strings"
	"testing"
)

// found shows what detectors find in a text: the parts, each with the names of
// those that found it.
func found(which Detectors, name, text string) string {
	var out []string
	for _, x := range new(Seeker).Find(which, []byte(name), []byte(text)) {
		var names []string
		for d := range Detector(NumDetectors) {
			if x.Found.Has(d) {
				names = append(names, d.String())
			}
		}
		out = append(out, strings.Join(names, "+")+" "+text[x.Start:x.End])
	}
	return strings.Join(out, "|")
}

const allDetectors = Detectors(1<<NumDetectors - 1)

// everyday are texts of sales and records that are no identifiers, whatever the
// detector.
var everyday = []string{
	// times
	"1763712345", "1763712345678", "2026-11-21T10:30:00Z", "2026-11-21T10:30:00+01:00", "2026-11-21 10:30:00.123456", "20261121103000",
	"12/05/2014", "10:30-11:45", "1712345678", "1801234567",
	// amounts and quantities
	"627.00", "62700", "1,234,567.89", "$1234567890", "£943476591", "€ 100 200 300", "-1234567.5", "100 200 3000", "+10%", "3 @ 4.50", "+1000000",
	"3.5 mg/ml", "50%", "20 units x 3 areas", "1080x1920", "-33.8688, 151.2093", "pH 5.5, 100 ml",
	// stock and lots
	"TX-100", "SKU-123-45-6789", "sku_078-05-1120", "SK-943-476-5919", "C4521A", "LOT C4521-20-1234", "B7741-3", "LOT-078-05-1120", "lot 4521 exp 2027-03-31",
	"5012345678900", "4006381333931", "036000291452", "00012345678905", "9780306406157", "0306406152", "ISBN 0-306-40615-2",
	// orders and ids
	"sale-20261121-0007", "order 1234567890", "order 100-2003000-4005006", "112-7654321-1234567", "0000012345", "00000012345", "PO 2291", "INV/2026/00123",
	"#9434765919", "550e8400-e29b-41d4-a716-446655440000", "12345678-1234-1234-1234-123456789012", "01890a5d-ac96-774b-bcce-b302099a8057",
	"QUJDMDc4MDUxMTIwREVGOTQzNDc2NTkxOQ==", "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3NjM3MTIzNDV9.078051120", "d41d8cd98f00b204e9800998ecf8427e",
	"tok_aBcDaBcDaBcDaBcDaBcDaBcD", "4111 1111 1111 1111", "7111111111111110", "078051120", "AB12CDEF", "patient 3 of 5", "Mr 12345",
	// machines and places
	"192.168.100.200", "10.0.0.1:8080", "v1.2.3-400", "1-800", "90210-1234", "SW1A 1AA", "EC1A 1BB", "room 12 34 56 78",
	"@clinic", "icon@2x.png", "user@localhost", "a@b.c", "5@4.99", "@ home", "me @ work.com",
}

func TestIdentifiersLeaveAlone(t *testing.T) {
	for _, text := range everyday {
		for _, text := range []string{text, "see " + text + ".", `{"id":"` + text + `"}`, "(" + text + ")", text + ", " + text, "Für " + text + " — ja"} {
			if got := found(allDetectors, "note", text); got != "" {
				t.Errorf("%q: %s", text, got)
			}
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for _, c := range []struct{ detector, text, want string }{
		{"nhs_number", "943 476 5919", "943 476 5919"},
		{"nhs_number", "NHS no. 943-476-5919, seen today", "943-476-5919"},
		{"nhs_number", "patient 9434765919.", ""}, // of a range that is not given out
		{"nhs_number", "NHS number: 9434765919", "9434765919"},
		{"nhs_number", "patient 4010232137 seen", "4010232137"},
		{"nhs_number", "4010232137,6328797966", "4010232137|6328797966"},
		{"nhs_number", "401 023 2138", ""},
		{"nhs_number", "401\u00a0023\u00a02137", "401\u00a0023\u00a02137"},
		{"nhs_number", "４０１ ０２３ ２１３７", "４０１ ０２３ ２１３７"},
		{"nhs_number", "401 023-2137", ""},
		{"nhs_number", "x401 023 2137", ""},
		{"nhs_number", "40102321370", ""},
		{"nhs_number", "CHI 0101350007", "0101350007"},
		{"nhs_number", "010135 0007", "010135 0007"},
		{"nhs_number", "0101350007", ""},
		{"nhs_number", "3201350007", ""},
		{"nhs_number", "111 111 1111", ""},
		{"ssn", "078-05-1121", "078-05-1121"},
		{"ssn", "SSN 078 05 1121 on file", "078 05 1121"},
		{"ssn", "078–05–1121", "078–05–1121"},
		{"ssn", "a,078-05-1121,219-09-9999", "078-05-1121|219-09-9999"},
		{"ssn", "078-05 1121", ""},
		{"ssn", "ssn is 078051121", "078051121"},
		{"ssn", "Social Security Number: 078051121", "078051121"},
		{"ssn", "SSN078051121", "078051121"},
		{"ssn", "ssn=078051121&x=1", "078051121"},
		{"ssn", "session 078051121", ""},
		{"ssn", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", ""},
		{"ssn", "1-078-05-1121 078-05-1121-9", ""},
		{"ssn", "ssn 0780511201", ""},
		{"mrn", "MRN 00123456", "00123456"},
		{"mrn", "MRN: A-12345", "A-12345"},
		{"mrn", "mrn#NW0012345, seen", "NW0012345"},
		{"mrn", "MRN-12345", "12345"},
		{"mrn", "Medical Record No. 123 456 789", "123 456 789"},
		{"mrn", "medical record number is 778899", "778899"},
		{"mrn", "patient ID A203493, was seen", "A203493"},
		{"mrn", "Hospital number K123456", "K123456"},
		{"mrn", "chart no 4455", "4455"},
		{"mrn", "patient 203493 and record 44556", ""},
		{"mrn", "MRN: 12", ""},
		{"mrn", "MRN unknown, paid 62700", ""},
		{"mrn", "the MRN of 2 patients", ""},
		{"email", "write to jane.roe+spa@clinic.example.", "jane.roe+spa@clinic.example"},
		{"email", "<Jane@Clinic.Example>;bob@x.co.uk", "Jane@Clinic.Example|bob@x.co.uk"},
		{"email", "mailto:jane@clinic.example?x=1", "jane@clinic.example"},
		{"email", `"jane roe"@clinic.example`, `"jane roe"@clinic.example`},
		{"email", "josé@bücher.example", "josé@bücher.example"},
		{"email", "“jane@clinic.example”", "jane@clinic.example"},
		{"email", "a@xn--d1acufc.xn--p1ai", "a@xn--d1acufc.xn--p1ai"},
		{"email", "jane@clinic.example@", "jane@clinic.example"},
		{"email", "jane@clinic-.example a@b..c jane.@clinic.example @@ a@", ""},
		{"phone", "+44 20 7946 0958", "+44 20 7946 0958"},
		{"phone", "ring +442079460958, then", "+442079460958"},
		{"phone", "+44 (0)20 7946 0958", "+44 (0)20 7946 0958"},
		{"phone", "0044 20 7946 0958", "0044 20 7946 0958"},
		{"phone", "020 7946 0958", "020 7946 0958"},
		{"phone", "(020) 7946 0958", "(020) 7946 0958"},
		{"phone", "07700 900123 or 07700900456", "07700 900123|07700900456"},
		{"phone", "01632 960 983", "01632 960 983"},
		{"phone", "(415) 555-0132", "(415) 555-0132"},
		{"phone", "415-555-0132 415.555.0132", "415-555-0132|415.555.0132"},
		{"phone", "415 555 0132", "415 555 0132"},
		{"phone", "1-415-555-0132", "1-415-555-0132"},
		{"phone", "+1 415 555 0132 2026-11-21", "+1 415 555 0132"},
		{"phone", "555-123-4567 x12, ext", "555-123-4567 x12"},
		{"phone", "555-123-4567 ext. 123", "555-123-4567 ext. 123"},
		{"phone", "tel 4155550132", "4155550132"},
		{"phone", "Phone number: 555-0132", "555-0132"},
		{"phone", "Mobile 079 123 45 67", "079 123 45 67"},
		{"phone", "4155550132", ""},
		{"phone", "555-0132", ""},
		{"phone", "telephone call 2026-11-21", ""},
		{"phone", "x415-555-0132", ""},
		{"date_of_birth", "DOB 1950-01-02, seen 2026-11-21", "1950-01-02"},
		{"date_of_birth", "D.O.B.: 1/2/1950", "1/2/1950"},
		{"date_of_birth", "born on 3rd May 1950 in", "3rd May 1950"},
		{"date_of_birth", "Date of birth: May 3, 1950", "May 3, 1950"},
		{"date_of_birth", "birth date 19500103", "19500103"},
		{"date_of_birth", "born 1950", "1950"},
		{"date_of_birth", "seen 1950-01-02", ""},
		{"date_of_birth", "dob 32/13/1950", ""},
		{"npi", "NPI: 1234567893", "1234567893"},
		{"npi", "1234-567-893", "1234-567-893"},
		{"npi", "NPI: 1234567890", ""},
		{"npi", "NPI: 3234567893", ""},
		{"iban", "to GB29 NWBK 6016 1331 9268 19, please", "GB29 NWBK 6016 1331 9268 19"},
		{"iban", "DE89370400440532013000", "DE89370400440532013000"},
		{"iban", "DE89370400440532013001 XDE89370400440532013000 DE893704004405320130001", ""},
		{"iban", "AL47-2121-1009-0000-0002-3569-8741", "AL47-2121-1009-0000-0002-3569-8741"},
	} {
		t.Run(c.detector+" "+c.text, func(t *testing.T) {
			d, ok := ParseDetector(c.detector)
			if !ok {
				t.Fatal("no such detector")
			}
			want := c.want
			if want != "" {
				want = c.detector + " " + strings.ReplaceAll(want, "|", "|"+c.detector+" ")
			}
			if got := found(d.Set(), "", c.text); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestIdentifiersTogether: where finds overlap they are one, and all who found
// it are named.
func TestIdentifiersTogether(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing in common", "SSN 078-05-1121, j@x.org, DOB 1950-01-02", "ssn 078-05-1121|email j@x.org|date_of_birth 1950-01-02"},
		{"the same digits", "401-023-2137", "nhs_number+phone 401-023-2137"},
		{"one within the other", "078-05-1121@clinic.example", "email 078-05-1121@clinic.example"},
		{"a word for both", "phone 4010232137", "nhs_number+phone 4010232137"},
		{"the extension", "401-023-2137 x5", "nhs_number+phone 401-023-2137 x5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := found(allDetectors, "", c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestIdentifiersByName(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"ssn", "078051121", "ssn 078051121"},
		{"patientSSN", "078051121", "ssn 078051121"},
		{"social_security_number", "078051121", "ssn 078051121"},
		{"ssnLast4", "078051121", ""},
		{"session", "078051121", ""},
		{"nhsNumber", "9434765919", "nhs_number 9434765919"},
		{"NHS-No", "9434765919", "nhs_number 9434765919"},
		{"mrn", "A12345", "mrn A12345"},
		{"patient.mrn", "0012345", "mrn 0012345"},
		{"patientId", "P-10023", "mrn P-10023"},
		{"patientId", "550e8400-e29b-41d4-a716-446655440000", ""},
		{"mobilePhone", "4155550132", "phone 4155550132"},
		{"phone1", "4155550132", "phone 4155550132"},
		{"phone_note", "4155550132", ""},
		{"birthDate", "1950-01-02", "date_of_birth 1950-01-02"},
		{"date_of_birth", "3 May 1950", "date_of_birth 3 May 1950"},
		{"update", "1950-01-02", ""},
		{"npi", "1234567893", "npi 1234567893"},
		{"mrn", strings.Repeat("a long note ", 6) + "12345", ""},
	} {
		t.Run(c.name+" "+c.text, func(t *testing.T) {
			if got := found(allDetectors, c.name, c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestIdentifyNumber(t *testing.T) {
	for _, c := range []struct {
		name, literal string
		want          Detectors
	}{
		{"id", "4010232137", 1 << NHSNumber},
		{"id", "4.010232137e9", 1 << NHSNumber},
		{"id", "4010232138", 0},
		{"created", "1763712345", 0},
		{"amount", "62700", 0},
		{"amount", "1234567890.50", 0},
		{"ssn", "78051121", 0}, // a leading zero is lost, and it could be anything
		{"ssn", "219099999", 1 << SSN},
		{"order", "219099999", 0},
		{"phone", "4155550132", 1 << Phone},
		{"mrn", "12345", 1 << MRN},
		{"mrn", "12", 0},
		{"mrn", "true", 0},
		{"dob", "19500102", 1 << DateOfBirth},
		{"id", "1e400000000", 0},
	} {
		t.Run(c.name+" "+c.literal, func(t *testing.T) {
			if got := new(Seeker).Number(allDetectors, []byte(c.name), []byte(c.literal)); got != c.want {
				t.Errorf("%b, want %b", got, c.want)
			}
		})
	}
	if new(Seeker).Number(Email.Set(), []byte("email"), []byte("4010232137")) != 0 {
		t.Error("a number is an address")
	}
}

func TestDetectorNames(t *testing.T) {
	for i, name := range DetectorNames() {
		if d, ok := ParseDetector(name); !ok || d != Detector(i) || d.String() != name {
			t.Errorf("%s: %v", name, d)
		}
	}
	if _, ok := ParseDetector("pan"); ok {
		t.Error("card numbers have a detector of their own")
	}
}

func TestDate(t *testing.T) {
	for _, c := range []struct {
		text       string
		size, year int
	}{
		{"1950-01-02", 10, 1950}, {"1950-1-2", 8, 1950}, {"1950/01/02", 10, 1950}, {"19500102", 8, 1950}, {"1950-01-02T10:30:00Z", 10, 1950},
		{"02/01/1950", 10, 1950}, {"1/2/1950", 8, 1950}, {"25.12.1980", 10, 1980}, {"12-25-1980", 10, 1980}, {"25/12/80", 8, 0}, {"2 May 1950", 10, 1950},
		{"2nd of", 0, 0}, {"22nd Nov. 1999", 14, 1999}, {"May 22, 1999", 12, 1999}, {"Sept 1, 2001", 12, 2001}, {"2-Nov-1999", 10, 1999},
		{"", 0, 0}, {"1950", 0, 0}, {"31/31/1950", 0, 0}, {"1950-13-01", 0, 0}, {"1950-02-30", 0, 0}, {"1700-01-01", 0, 0}, {"02/01/19500", 0, 0},
		{"02/01-1950", 0, 0}, {"May", 0, 0}, {"Mayor 2, 1999", 0, 0}, {"30 Feb 1999", 0, 0}, {"1950-01-021", 0, 0}, {"2/3", 0, 0}, {"1.5", 0, 0},
	} {
		if size, year := Date([]byte(c.text)); size != c.size || year != c.year {
			t.Errorf("%q: %d bytes, %d, want %d, %d", c.text, size, year, c.size, c.year)
		}
	}
}
