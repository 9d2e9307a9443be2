package detect

// Detector finds identifiers of one kind inside of text. A policy asks for it
// by its name.
type Detector uint8

// The detectors, in the order in which their names are listed.
const (
	NHSNumber   Detector = iota // number of the NHS in England and Wales, of Scotland (CHI) or Northern Ireland
	SSN                         // US social security number
	MRN                         // medical record number, by a word before it
	Email                       // address of an electronic mailbox
	Phone                       // telephone number
	DateOfBirth                 // date, by a word before it
	NPI                         // US national provider identifier, by a word before it
	IBAN                        // international bank account number
)

var detectorNames = [...]string{"nhs_number", "ssn", "mrn", "email", "phone", "date_of_birth", "npi", "iban"}

// NumDetectors is the number of detectors.
const NumDetectors = len(detectorNames)

// Detectors is a set of them.
type Detectors uint16

// String returns the name that a policy file uses.
func (d Detector) String() string { return detectorNames[d] }

// Set returns the set of the one detector.
func (d Detector) Set() Detectors { return 1 << d }

// Has reports whether a detector is in the set.
func (s Detectors) Has(d Detector) bool { return s>>d&1 != 0 }

// DetectorNames lists the names of all detectors. The slice is the caller's.
func DetectorNames() []string { return append([]string(nil), detectorNames[:]...) }

// ParseDetector returns the detector of a name of a policy file.
func ParseDetector(name string) (Detector, bool) {
	for i, n := range detectorNames {
		if n == name {
			return Detector(i), true
		}
	}
	return 0, false
}
