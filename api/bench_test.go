package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

func BenchmarkDecodeRerank(b *testing.B) {
	s := &Server{options: Options{MaxInputs: 2048, MaxDocuments: 1000}}
	text := strings.Repeat("Rain falls on the harbour. ", 74)
	body := []byte(`{"model":"m","query":"q","documents":["` + strings.Join(strings.Split(strings.Repeat(text+"|", 99)+text, "|"), `","`) + `"]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var r reranking
		if err := decodeObject(body, s.rerankField(&r)); err != nil || len(r.documents.texts) != 100 {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEmbeddings(b *testing.B) {
	result := models.EmbedResult{}
	for i := range 32 {
		v := make([]float32, 384)
		for j := range v {
			v[j] = float32(i*384+j)/40000 - 0.1
		}
		result.Vectors = append(result.Vectors, v)
	}
	for _, base64 := range []bool{false, true} {
		b.Run(fmt.Sprint("base64 ", base64), func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(int64(len(appendEmbeddings("m", result, base64))))
			}
		})
	}
}
