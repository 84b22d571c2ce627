package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newRing(t testing.TB, anonymous Anonymous, keys ...Key) *Keyring {
	t.Helper()
	k, err := New(keys, anonymous)
	require.NoError(t, err)
	return k
}

func TestIdentify(t *testing.T) {
	k := newRing(t, Anonymous{},
		Key{Name: "team", Hash: Hash("team secret"), Models: []string{"BAAI/*"}, Limits: "small", Admin: true, BodyLimit: 7},
		Key{Name: "off", Hash: Hash("off secret"), Disabled: true, Expires: noon.Add(-time.Hour)},
		Key{Name: "timed", Hash: "sha256:" + strings.ToUpper(Hash("timed secret")[len("sha256:"):]), Expires: noon},
	)
	caller, err := k.Identify("team secret", noon)
	require.NoError(t, err)
	require.Equal(t, &Caller{Name: "team", Admin: true, Limits: "small", BodyLimit: 7, models: []string{"BAAI/*"}}, caller)
	caller, err = k.Identify("timed secret", noon.Add(-1))
	require.NoError(t, err)
	require.Equal(t, "timed", caller.Name)
	for secret, want := range map[string]error{
		"": ErrMissing, "nobody's": ErrUnknown, "team secret ": ErrUnknown, "team secre": ErrUnknown,
		Hash("team secret"): ErrUnknown, "off secret": ErrDisabled, "timed secret": ErrExpired,
		strings.Repeat("x", maxSecret+1): ErrUnknown,
	} {
		caller, err := k.Identify(secret, noon)
		require.Nil(t, caller, "%q", secret)
		require.Equal(t, want, err, "%q", secret)
	}
}

func TestSecretsAreBounded(t *testing.T) {
	longest := strings.Repeat("x", maxSecret)
	k := newRing(t, Anonymous{}, Key{Name: "long", Hash: Hash(longest)}, Key{Name: "longer", Hash: Hash(longest + "x")})
	caller, err := k.Identify(longest, noon)
	require.NoError(t, err)
	require.Equal(t, "long", caller.Name)
	_, err = k.Identify(longest+"x", noon)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestAnonymous(t *testing.T) {
	k := newRing(t, Anonymous{Enabled: true, Models: []string{"small-*"}, Limits: "public"}, Key{Name: "team", Hash: Hash("s")})
	caller, err := k.Identify("", noon)
	require.NoError(t, err)
	require.Equal(t, &Caller{Anonymous: true, Limits: "public", models: []string{"small-*"}}, caller)
	require.True(t, caller.Allows("small-1"))
	require.False(t, caller.Allows("large-1"))
	_, err = k.Identify("wrong", noon)
	require.ErrorIs(t, err, ErrUnknown, "a wrong key is not taken for none")
}

func TestNobodyIsKnown(t *testing.T) {
	k := newRing(t, Anonymous{Models: []string{"*"}})
	_, err := k.Identify("", noon)
	require.ErrorIs(t, err, ErrMissing)
	_, err = k.Identify("x", noon)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		models, names []string
		want          bool
	}{
		{[]string{"*"}, []string{"BAAI/bge-m3"}, true},
		{[]string{"a", "BAAI/*"}, []string{"BAAI/bge-m3"}, true},
		{[]string{"bge"}, []string{"BAAI/bge-m3", "bge"}, true},
		{[]string{"bge"}, []string{"BAAI/bge-m3"}, false},
		{[]string{"BAAI/*"}, []string{"baai/bge"}, false},
		{nil, []string{"a"}, false},
		{[]string{"*"}, nil, false},
	} {
		require.Equal(t, c.want, (&Caller{models: c.models}).Allows(c.names...), "%q %q", c.models, c.names)
	}
}

// A keyring owns what it was given.
func TestPatternsAreCopied(t *testing.T) {
	models := []string{"a"}
	k := newRing(t, Anonymous{Enabled: true, Models: models}, Key{Name: "n", Hash: Hash("s"), Models: models})
	models[0] = "b"
	for _, secret := range []string{"", "s"} {
		caller, err := k.Identify(secret, noon)
		require.NoError(t, err)
		require.True(t, caller.Allows("a"), "%q", secret)
	}
}

func TestAllProblemsAreReported(t *testing.T) {
	_, err := New([]Key{
		{Name: "", Hash: Hash("1")},
		{Name: "twice", Hash: Hash("2")},
		{Name: "twice", Hash: Hash("2")},
		{Name: "raw", Hash: "qd_secret", Models: []string{"a", ""}, BodyLimit: -1},
		{Name: "short", Hash: "sha256:abcd"},
		{Name: "digits", Hash: "sha256:" + strings.Repeat("z", 64)},
		{Name: strings.Repeat("n", maxName+1), Hash: Hash("7")},
		{Name: "new\nline", Hash: Hash("8")},
		{Name: "bad\xff", Hash: Hash("9")},
	}, Anonymous{Models: []string{""}})
	require.EqualError(t, err, strings.Join([]string{
		`auth: key 1 (""): name: it is empty; logs and metrics need one`,
		`auth: key 3 ("twice"): name: another key has it, too`,
		`auth: key 3 ("twice"): hash: that of key "twice", too`,
		"auth: key 4 (\"raw\"): hash: not sha256: and 64 hexadecimal digits, as `quadrate key new` prints",
		`auth: key 4 ("raw"): models: an empty pattern; * stands for any name`,
		`auth: key 4 ("raw"): body_limit: -1 is negative; 0 is the server's own limit`,
		"auth: key 5 (\"short\"): hash: not sha256: and 64 hexadecimal digits, as `quadrate key new` prints",
		"auth: key 6 (\"digits\"): hash: not sha256: and 64 hexadecimal digits, as `quadrate key new` prints",
		`auth: key 7 ("` + strings.Repeat("n", maxName+1) + `"): name: 129 bytes, and at most 128 are allowed`,
		`auth: key 8 ("new\nline"): name: it has characters that cannot be printed`,
		`auth: key 9 ("bad\xff"): name: it has characters that cannot be printed`,
		`auth: anonymous: models: an empty pattern; * stands for any name`,
	}, "\n"))
	require.NotContains(t, err.Error(), "qd_secret")
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		secret, hash, err := Generate()
		require.NoError(t, err)
		require.Regexp(t, `^qd_[0-9a-f]{64}$`, secret)
		sum := sha256.Sum256([]byte(secret))
		require.Equal(t, "sha256:"+hex.EncodeToString(sum[:]), hash)
		require.False(t, seen[secret])
		seen[secret] = true
		caller, err := newRing(t, Anonymous{}, Key{Name: "new", Hash: hash}).Identify(secret, noon)
		require.NoError(t, err)
		require.Equal(t, "new", caller.Name)
	}
}

// The place of the key decides nothing, and each finds its own.
func TestEachKeyFindsItself(t *testing.T) {
	var keys []Key
	for i := range 300 {
		keys = append(keys, Key{Name: fmt.Sprint("key ", i), Hash: Hash(fmt.Sprint("secret ", i))})
	}
	k := newRing(t, Anonymous{}, keys...)
	for i := range 300 {
		caller, err := k.Identify(fmt.Sprint("secret ", i), noon)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("key ", i), caller.Name)
	}
}

// FuzzIdentify holds Identify to a map from secrets to keys.
func FuzzIdentify(f *testing.F) {
	f.Add("open", int64(0))
	f.Add("timed", int64(1))
	f.Add("closed", int64(-1))
	f.Add("", int64(0))
	f.Add(strings.Repeat("x", maxSecret+1), int64(0))
	f.Add(Hash("open"), int64(0))
	k := newRing(f, Anonymous{Enabled: true},
		Key{Name: "open", Hash: Hash("open")}, Key{Name: "closed", Hash: Hash("closed"), Disabled: true},
		Key{Name: "timed", Hash: Hash("timed"), Expires: noon}, Key{Name: "long", Hash: Hash(strings.Repeat("x", maxSecret+1))})
	f.Fuzz(func(t *testing.T, secret string, after int64) {
		want := map[string]error{"": nil, "open": nil, "timed": nil, "closed": ErrDisabled}
		expected, known := want[secret]
		switch {
		case !known:
			expected = ErrUnknown
		case secret == "timed" && after >= 0:
			expected = ErrExpired
		}
		caller, err := k.Identify(secret, noon.Add(time.Duration(after)))
		require.Equal(t, expected, err)
		if err != nil {
			require.Nil(t, caller)
			return
		}
		require.Equal(t, secret, caller.Name)
		require.Equal(t, secret == "", caller.Anonymous)
	})
}

func BenchmarkIdentify(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var keys []Key
			for i := range n {
				keys = append(keys, Key{Name: fmt.Sprint(i), Hash: Hash(fmt.Sprint(i))})
			}
			k := newRing(b, Anonymous{}, keys...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Identify("0", noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestWithoutKeysAnySecretIsAnonymous: many clients cannot be told to send none.
func TestWithoutKeysAnySecretIsAnonymous(t *testing.T) {
	open, err := New(nil, Anonymous{Enabled: true, Models: []string{"a*"}})
	require.NoError(t, err)
	for _, secret := range []string{"", "anything", strings.Repeat("x", 10000)} {
		caller, err := open.Identify(secret, time.Now())
		require.NoError(t, err)
		require.True(t, caller.Anonymous)
		require.False(t, caller.Admin)
		require.True(t, caller.Allows("a1"))
		require.False(t, caller.Allows("b"))
	}
	shut, err := New(nil, Anonymous{})
	require.NoError(t, err)
	_, err = shut.Identify("anything", time.Now())
	require.ErrorIs(t, err, ErrUnknown)
}
