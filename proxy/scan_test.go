package proxy

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func TestNumbersAreReadAsStrconvReadsThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{
		"0", "-0", "0.0", "1", "-1", "10", "1e5", "1E+5", "1e-5", "0.1", "123456789012345678", "1234567890123456789", "12345678901234567890",
		"99999999999999999999", "0.03425683453679085", "-0.00012345678901234567", "1e-45", "1.4e-45", "1e-46", "1e-400", "3.4028234663852886e38",
		"3.4028235677973362e38", "1.17549435e-38", "1.1754942e-38", "5e-324", "16777217", "0.50000002980232238769531250", "0.500000029802322387695312500001",
		"0.00000000000000000000000000000000000000000000000000000000000001", "1000000000000000000000000000000000000000e-10", "7e22", "7e23", "-7e-23",
	}
	for range 20_000 {
		f := float32(random.NormFloat64() * math.Pow(10, float64(random.IntN(20)-15)))
		texts = append(texts, strconv.FormatFloat(float64(f), 'g', -1, 32), strconv.FormatFloat(float64(f), 'f', -1, 64), strconv.FormatFloat(random.NormFloat64(), 'e', -1, 64))
		// Halfway between two float32s, and just beside.
		half := (float64(f) + float64(math.Nextafter32(f, 2*f))) / 2
		texts = append(texts, strconv.FormatFloat(half, 'g', -1, 64), strconv.FormatFloat(math.Nextafter(half, 9), 'g', -1, 64), strconv.FormatFloat(half, 'g', -1, 64)+"1")
	}
	for _, text := range texts {
		if strings.Contains(text, "e") && strings.HasSuffix(text, "1") && !json.Valid([]byte(text)) {
			continue
		}
		want, err := strconv.ParseFloat(text, 32)
		s := &scanner{data: []byte("[" + text + "]")}
		got, m, scanErr := s.vector(nil, true)
		if err != nil { // out of range
			require.Error(t, scanErr, text)
			continue
		}
		require.NoError(t, scanErr, text)
		require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(got[0]), text)
		require.Equal(t, 1, m.count)
		require.InEpsilon(t, 1+want*want, 1+m.squares, 1e-6, text)
	}
}

func TestWhatIsNoVectorIsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[1,]`, "byte 3: ']' where a number is due"},
		{`[01]`, "byte 2: '1' where ',' or ']' is due"},
		{`[1.]`, "byte 1: '1' where a number is due"},
		{`[.5]`, "a number is due"},
		{`[-]`, "a number is due"},
		{`[+1]`, "a number is due"},
		{`[1e]`, "a number is due"},
		{`[NaN]`, "'N' where a number is due"},
		{`[Infinity]`, "a number is due"},
		{`[null]`, "'n' where a number is due"},
		{`["1"]`, "a number is due"},
		{`[1 2]`, "',' or ']' is due"},
		{`[1,2`, "it ends where ',' or ']' is due"},
		{`[1,`, "it ends where a number is due"},
		{`[3.5e38]`, "byte 1: a number larger than a float32 can hold"},
		{`[1,-1e999]`, "byte 3: a number larger than a float32 can hold"},
		{`{}`, "a list of numbers is due"},
	} {
		_, _, err := (&scanner{data: []byte(c.text)}).vector(nil, true)
		require.ErrorContains(t, err, c.want, c.text)
	}
	v, m, err := (&scanner{data: []byte(" [ 1 ,\n-2.5e0\t] ")}).vector(nil, true)
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2.5}, v)
	require.Equal(t, measure{2, 7.25}, m)
}

func TestBase64IsReadStrictly(t *testing.T) {
	var scratch []byte
	v, m, err := unbase64([]byte(base64Of(1, -2)), nil, true, &scratch)
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2}, v)
	require.Equal(t, measure{2, 5}, m)
	for text, want := range map[string]error{
		"AAA":                                 errBase64,
		"AAAA":                                errBase64,
		base64Of(1)[:4] + "*" + "AAA":         errBase64,
		strings.TrimRight(base64Of(1), "="):   errBase64,
		base64Of(1, float32(math.NaN())):      errNotFinite,
		base64Of(float32(math.Inf(-1)), 1):    errNotFinite,
		base64Of(1) + "\n":                    nil, // AppendDecode skips line ends, as MIME has them
		base64Of(1)[:len(base64Of(1))-2] + "": errBase64,
	} {
		_, _, err := unbase64([]byte(text), nil, true, &scratch)
		if want != nil {
			require.ErrorIs(t, err, want, text)
		}
	}
}

func base64Of(v ...float32) string {
	var raw []byte
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// FuzzScanner compares with encoding/json what is JSON at all.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5e-3,{"b":null}],"c":"d\u00e9\n"}`, `[true,false,null]`, `"x`, `[1,]`, `-0.5`, `{"a" 1}`, `[[[[]]]]`, "[1,2] x", "\"\x01\"", `"\x"`, `1e`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &scanner{data: data}
		err := s.skip()
		if err == nil {
			err = s.end()
		}
		if err != nil && strings.Contains(err.Error(), "nested deeper") {
			return
		}
		require.Equal(t, json.Valid(data), err == nil, "%q: %v", data, err)
		s = &scanner{data: data}
		if text, err := s.str(); err == nil {
			var want string
			require.NoError(t, json.Unmarshal(data[:s.pos], &want))
			if !strings.ContainsRune(want, '\uFFFD') {
				require.Equal(t, want, text)
			}
		}
	})
}

func FuzzVector(f *testing.F) {
	for _, text := range []string{`[1,-2.5]`, `[0.03425683453679085,1e-30]`, `[1e39]`, `[ 1 ]`, `[12345678901234567890123,0.1e1]`, `[]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &scanner{data: data}
		got, m, err := s.vector(nil, true)
		if err == nil {
			err = s.end()
		}
		var want []float32
		if !json.Valid(data) {
			require.Error(t, err)
			return
		}
		if nulls := strings.Contains(string(data), "null"); nulls {
			return
		}
		if json.Unmarshal(data, &want) != nil || data == nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, len(want), m.count)
		for i := range want {
			require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]))
		}
	})
}

// embeddingsAnswer is an OpenAI style answer of n vectors of norm 1.
func embeddingsAnswer(n, dimensions int, form models.VectorForm, format func(f float32) string) []byte {
	random := rand.New(rand.NewPCG(7, 7))
	b := []byte(`{"object":"list","data":[`)
	for i := range n {
		v := make([]float32, dimensions)
		for j := range v {
			v[j] = float32(random.NormFloat64())
		}
		normalise(v)
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`+strconv.Itoa(i)+`,"embedding":`...)
		if form == models.FormBase64 {
			b = append(b, `"`+base64Of(v...)+`"`...)
		} else {
			words := make([]string, len(v))
			for j, f := range v {
				words[j] = format(f)
			}
			b = append(b, "["+strings.Join(words, ",")+"]"...)
		}
		b = append(b, '}')
	}
	return append(b, `],"model":"m","usage":{"prompt_tokens":9,"total_tokens":9}}`...)
}

func short(f float32) string { return strconv.FormatFloat(float64(f), 'f', -1, 32) }

// long is how Python writes a float32 that became a float64.
func long(f float32) string { return strconv.FormatFloat(float64(f), 'f', -1, 64) }

func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name   string
		format func(float32) string
		form   models.VectorForm
		want   models.VectorForm
	}{
		{"numbers as they are", short, models.FormNumbers, models.FormNumbers},
		{"long numbers as they are", long, models.FormNumbers, models.FormNumbers},
		{"numbers decoded", short, models.FormNumbers, models.FormVectors},
		{"base64 as it is", nil, models.FormBase64, models.FormBase64},
		{"base64 decoded", nil, models.FormBase64, models.FormVectors},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := embeddingsAnswer(32, 1024, c.form, c.format)
			req := &models.EmbedRequest{Inputs: make([]models.Input, 32), Form: c.want}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var result embedded
				if err := (&scanner{data: body}).embeddings(req, &result); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
