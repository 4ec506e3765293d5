package osrelease

import "testing"

func TestParse(t *testing.T) {
	got, err := Parse("# c\nNAME=x\npretty_name=\"A \"B\"\"\nVARIANT_ID=aws-dev\nVERSION_ID=1.2.3\nBUILD_ID=abc\r\njunk\n")
	want := Release{PrettyName: `A "B"`, VariantID: "aws-dev", VersionID: "1.2.3", BuildID: "abc", Arch: got.Arch}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := Parse("VARIANT_ID=x\n"); err == nil {
		t.Error("a file without VERSION_ID was accepted")
	}
}
