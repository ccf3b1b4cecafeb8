package signer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chancery/crypto/p384"
	"chancery/crypto/sign"
	"chancery/crypto/tlog"
	"chancery/crypto/vectors"
)

// documentVector is a signed document and what its reader knows of it.
type documentVector struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"` // archive, archive note, certificate
	Key      vectors.Hex `json:"key"`  // the organisation's only signer
	Org      vectors.Hex `json:"org"`
	ID       vectors.Hex `json:"id,omitempty"`
	Schedule string      `json:"schedule,omitempty"`
	Ordinal  int64       `json:"ordinal,omitempty"`
	From     int64       `json:"from,omitempty"`
	To       int64       `json:"to,omitempty"`
	Previous vectors.Hex `json:"previous,omitempty"`
	Manifest vectors.Hex `json:"manifest,omitempty"` // SHA-256 of the two tag manifests
	Other    vectors.Hex `json:"other,omitempty"`
	Subject  vectors.Hex `json:"subject,omitempty"` // the plan
	Body     string      `json:"body,omitempty"`    // the predicate of a certificate
	Document string      `json:"document"`
	Want     string      `json:"want"`
}

func digest(b byte) Digest { return Digest(bytes.Repeat([]byte{b}, 32)) }

func archiveOf(v *documentVector) *Archive {
	return &Archive{ID: Digest(v.ID), Org: Digest(v.Org), Schedule: v.Schedule, Ordinal: v.Ordinal, From: v.From, To: v.To,
		Previous: Digest(v.Previous), Manifest: Digest(v.Manifest), Other: Digest(v.Other)}
}

// shown writes an archive's statement a second time, as archive.md shows it.
func shown(a *Archive) string {
	return `{"_type":"https://in-toto.io/Statement/v1","predicate":{"from":3,"id":"` + a.ID.String() + `","ordinal":2,"org":"` + a.Org.String() +
		`","previous":"` + a.Previous.String() + `","schedule":"daily","to":9},"predicateType":"chancery/archive/v1","subject":[{"digest":{"sha256":"` +
		a.Manifest.String() + `"},"name":"tagmanifest-sha256.txt"},{"digest":{"sha256":"` + a.Other.String() + `"},"name":"tagmanifest-sha384.txt"}]}`
}

const disposalBody = `{"approvals":null,"backup":"none","confirmations":null,"destroyed":0,"order":"gA==","time":1763800000000000}`

func certified(org, subject Digest, body string) string {
	return `{"_type":"https://in-toto.io/Statement/v1","predicate":` + body + `,"predicateType":"chancery/disposal/v1","subject":[{"digest":{"sha256":"` +
		org.String() + `"},"name":"organisation"},{"digest":{"sha256":"` + subject.String() + `"},"name":"plan"}]}`
}

// wrapped is the DSSE envelope of a payload, written as archive.md says.
func wrapped(t *testing.T, payload string, keys ...sign.Signer) string {
	t.Helper()
	pae := "DSSEv1 28 application/vnd.in-toto+json " + strconv.Itoa(len(payload)) + " " + payload
	var lines []string
	for _, k := range keys {
		sig, err := k.Sign([]byte(pae))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, `{"keyid":"`+sign.IDOf(k.Public()).String()+`","sig":"`+base64.StdEncoding.EncodeToString(sig)+`"}`)
	}
	slices.Sort(lines)
	return `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `","signatures":[` + strings.Join(lines, ",") + `]}`
}

// edKey is an Ed25519 key in memory.
type edKey struct{ ed25519.PrivateKey }

func (k edKey) Public() []byte { return k.PrivateKey.Public().(ed25519.PublicKey) }

func (k edKey) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, message), nil }

// named is the key of an algorithm that a name gives.
func named(t *testing.T, a sign.Algorithm, name string) sign.Signer {
	t.Helper()
	seed := sha512.Sum384([]byte(name))
	if a == sign.Ed25519 {
		return edKey{ed25519.NewKeyFromSeed(seed[:32])}
	}
	k, err := p384.Parse(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func documentVectors(t *testing.T, a sign.Algorithm) (list []documentVector) {
	k, stranger := named(t, a, "signer"), named(t, a, "stranger")
	org, id, previous, manifest, other, plan := digest(1), digest(0xab), digest(3), digest(4), digest(5), digest(6)
	v := documentVector{Kind: "archive", Key: k.Public(), Org: org[:], ID: id[:], Schedule: "daily", Ordinal: 2, From: 3, To: 9, Previous: previous[:], Manifest: manifest[:], Other: other[:]}
	statement := shown(archiveOf(&v))
	list = append(list, documents(t, string(a), v, statement, k, stranger, [][2]string{
		{"another ordinal", strings.Replace(statement, `"ordinal":2`, `"ordinal":3`, 1)},
		{"another period", strings.Replace(statement, `"to":9`, `"to":8`, 1)},
		{"another archive", strings.ReplaceAll(statement, id.String(), other.String())},
		{"manifests exchanged", strings.Replace(strings.Replace(strings.Replace(statement, manifest.String(), "x", 1), other.String(), manifest.String(), 1), "x", other.String(), 1)},
		{"a subject fewer", statement[:strings.LastIndex(statement, `,{"digest"`)] + "]}"},
		{"a member more", strings.Replace(statement, `"to":9`, `"to":9,"zone":"UTC"`, 1)},
		{"members in another order", strings.Replace(statement, `"from":3,"id":"`+id.String()+`"`, `"id":"`+id.String()+`","from":3`, 1)},
		{"white space", strings.Replace(statement, `"from":3`, `"from": 3`, 1)},
		{"a number as text", strings.Replace(statement, `"from":3`, `"from":"3"`, 1)},
		{"a number with a fraction", strings.Replace(statement, `"from":3`, `"from":3.0`, 1)},
		{"an id in upper case", strings.ReplaceAll(statement, id.String(), strings.Repeat("AB", 32))},
	})...)
	c := documentVector{Kind: "certificate", Key: k.Public(), Org: org[:], Subject: plan[:], Body: disposalBody}
	certificate := certified(org, plan, disposalBody)
	list = append(list, documents(t, string(a), c, certificate, k, stranger, [][2]string{
		{"of another plan", certified(org, other, disposalBody)},
		{"of another organisation", certified(other, plan, disposalBody)},
		{"another count", certified(org, plan, strings.Replace(disposalBody, `"destroyed":0`, `"destroyed":1`, 1))},
		{"an archive's predicate", strings.Replace(certificate, "disposal", "archive", 1)},
	})...)
	return append(list, noteDocuments(t, string(a), v, k, stranger)...)
}

// documents are a good one of a kind, others that were signed, and others that
// differ in their envelope.
func documents(t *testing.T, prefix string, v documentVector, statement string, k, stranger sign.Signer, signed [][2]string) (list []documentVector) {
	add := func(name, document, want string) {
		v.Name, v.Document, v.Want = prefix+": "+name, document, want
		list = append(list, v)
	}
	good := wrapped(t, statement, k)
	add("good", good, "ok")
	for _, s := range signed {
		add("signed, "+s[0], wrapped(t, s[1], k), "refused")
	}
	add("by a stranger", wrapped(t, statement, stranger), "refused")
	add("by a stranger too", wrapped(t, statement, k, stranger), "refused")
	add("by nobody", wrapped(t, statement), "refused")
	add("a stranger's signature under our id", strings.Replace(wrapped(t, statement, stranger), sign.IDOf(stranger.Public()).String(), sign.IDOf(k.Public()).String(), 1), "refused")
	at := strings.Index(good, `"sig":"`) + 12
	add("signature changed", good[:at]+flipped(good[at:at+1])+good[at+1:], "refused")
	payload := len(`{"payloadType":"application/vnd.in-toto+json","payload":"`)
	add("payload changed", good[:payload+20]+flipped(good[payload+20:payload+21])+good[payload+21:], "refused")
	add("signature twice", strings.Replace(good, "}]}", "},"+good[strings.Index(good, `{"keyid"`):], 1), "refused")
	add("payload type changed", strings.Replace(good, "in-toto+json", "in-toto+cbor", 1), "refused")
	add("newline at the end", good+"\n", "refused")
	add("white space", strings.Replace(good, `,"payload"`, `, "payload"`, 1), "refused")
	add("members in another order", `{"payload"`+strings.Replace(good[strings.Index(good, `","payload"`)+len(`","payload"`):], `,"signatures"`, `,"payloadType":"application/vnd.in-toto+json","signatures"`, 1), "refused")
	add("a member more", strings.Replace(good, "}]}", `}],"time":1}`, 1), "refused")
	add("key id in upper case", strings.Replace(good, sign.IDOf(k.Public()).String(), strings.ToUpper(sign.IDOf(k.Public()).String()), 1), "refused")
	add("empty", "", "refused")
	return list
}

// flipped is another digit of base64.
func flipped(digit string) string {
	if digit == "A" {
		return "B"
	}
	return "A"
}

func noteDocuments(t *testing.T, prefix string, v documentVector, k, stranger sign.Signer) (list []documentVector) {
	v.Kind, v.ID, v.Previous, v.Other, v.From, v.To = "archive note", nil, nil, nil, 0, 0
	origin := "chancery/" + hex.EncodeToString(v.Org) + "/archive/daily"
	text := origin + "\n2\n" + base64.StdEncoding.EncodeToString(v.Manifest) + "\n"
	signed := func(text, name string, k sign.Signer) string {
		note, err := sign.SignNote(text, name, k)
		if err != nil {
			t.Fatal(err)
		}
		return string(note)
	}
	add := func(name, document, want string) {
		v.Name, v.Document, v.Want = prefix+": "+name, document, want
		list = append(list, v)
	}
	good := signed(text, origin, k)
	_, strange, _ := strings.Cut(signed(text, origin, stranger), "\n\n")
	add("good", good, "ok")
	add("by a stranger", signed(text, origin, stranger), "refused")
	add("by a stranger too", good+strange, "refused")
	add("of another schedule", signed(strings.Replace(text, "daily", "weekly", 1), strings.Replace(origin, "daily", "weekly", 1), k), "refused")
	add("of another ordinal", signed(strings.Replace(text, "\n2\n", "\n3\n", 1), origin, k), "refused")
	add("of another manifest", signed(origin+"\n2\n"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))+"\n", origin, k), "refused")
	add("a checkpoint of the log", signed(strings.Replace(text, "archive/daily", "log", 1), strings.Replace(origin, "archive/daily", "log", 1), k), "refused")
	add("ordinal changed", strings.Replace(good, "\n2\n", "\n3\n", 1), "refused")
	return list
}

// read takes a document as a verifier does: signed by the signer and nobody
// else, and saying what the fields say.
func (v *documentVector) read() bool {
	if v.Kind == "archive note" {
		a := archiveOf(&documentVector{Org: v.Org, ID: v.Org, Schedule: v.Schedule, Ordinal: v.Ordinal, Previous: v.Org, Manifest: v.Manifest, Other: v.Org})
		verifier, err := tlog.NewVerifier(a.Origin(), v.Key)
		if err != nil {
			return false
		}
		text, err := a.Note()
		note, opening := tlog.OpenNote([]byte(v.Document), verifier)
		return err == nil && opening == nil && note.Unknown == 0 && note.Text == string(text)
	}
	statement := func() ([]byte, error) { return archiveOf(v).Statement() }
	if v.Kind == "certificate" {
		statement = (&Certificate{Predicate: DisposalPredicate, Org: Digest(v.Org), Subject: Digest(v.Subject), Body: []byte(v.Body)}).Statement
	}
	want, err := statement()
	d, opening := sign.VerifyDSSE([]byte(v.Document), v.Key)
	return err == nil && opening == nil && d.Unknown == 0 && d.PayloadType == PayloadType && bytes.Equal(d.Payload, want)
}

func TestDocumentVectors(t *testing.T) {
	t.Parallel()
	const about = "documents that the signer signs (archive.md, signer.md): whether they are signed by key alone and say what the fields say"
	for _, v := range vectors.Keep(t, "documents.json", about, append(documentVectors(t, sign.Ed25519), documentVectors(t, sign.P384)...)) {
		if got := v.read(); got != (v.Want == "ok") {
			t.Errorf("%s, %s: taken %v, want %s", v.Kind, v.Name, got, v.Want)
		}
	}
}
