package inference

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const oneModule = `{"type":"sentence_transformers.models.Transformer","path":""}`

func TestHubPooling(t *testing.T) {
	pooling := func(config string) map[string]string {
		return map[string]string{
			"config.json":           bertConfig,
			"modules.json":          `[` + oneModule + `,{"type":"sentence_transformers.sentence_transformer.modules.pooling.Pooling","path":"1_Pooling"},{"type":"sentence_transformers.models.Normalize","path":"2_Normalize"}]`,
			"1_Pooling/config.json": config,
		}
	}
	changed := func(files map[string]string, more ...string) map[string]string {
		for i := 0; i < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	for name, c := range map[string]struct {
		files map[string]string
		asked string
		want  []poolKind
		err   string
		notes int
	}{
		"one mode":        {files: pooling(`{"pooling_mode":"weightedmean"}`), want: []poolKind{poolWeighted}},
		"several modes":   {files: pooling(`{"pooling_mode":["mean","cls"]}`), want: []poolKind{poolMean, poolCLS}},
		"older flags":     {files: pooling(`{"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":true,"pooling_mode_lasttoken":false}`), want: []poolKind{poolCLS, poolMean}},
		"no mode":         {files: pooling(`{"word_embedding_dimension":8}`), want: []poolKind{poolMean}},
		"unknown mode":    {files: pooling(`{"pooling_mode":"attention"}`), err: `pooling "attention" is not supported`},
		"without prompts": {files: pooling(`{"pooling_mode":"mean","include_prompt":false}`), want: []poolKind{poolMean}},
		"prompt left out": {files: changed(pooling(`{"pooling_mode":"mean","include_prompt":false}`), "config_sentence_transformers.json", `{"prompts":{"q":"q: "}}`), err: "include_prompt"},
		"asked and given": {files: pooling(`{}`), asked: "cls", err: "models[].pooling is set, but the folder's modules.json names the pooling"},
		"file not there":  {files: map[string]string{"config.json": bertConfig, "modules.json": `[` + oneModule + `,{"type":"x.Pooling","path":"1_Pooling"}]`}, err: "modules.json names 1_Pooling/config.json, which is not there"},
		"outside":         {files: map[string]string{"config.json": bertConfig, "modules.json": `[` + oneModule + `,{"type":"x.Pooling","path":"../other"}]`}, err: "is outside the model's folder"},
		"a dense layer":   {files: map[string]string{"config.json": bertConfig, "modules.json": `[` + oneModule + `,{"type":"x.Pooling","path":"1"},{"type":"x.Dense","path":"2"}]`}, err: "modules.json lists Transformer, Pooling, Dense, and after its token states only Pooling and Normalize can be done here; use an ONNX file with the output sentence_embedding"},
		"asked":           {files: map[string]string{"config.json": bertConfig}, asked: "cls,max", want: []poolKind{poolCLS, poolMax}},
		"encoder, silent": {files: map[string]string{"config.json": bertConfig}, want: []poolKind{poolMean}, notes: 1},
		"decoder, silent": {files: map[string]string{"config.json": `{"architectures":["Qwen3ForCausalLM"]}`}, want: []poolKind{poolLast}, notes: 1},
		"dropout is none": {files: changed(pooling(`{"pooling_mode":"max"}`), "modules.json", `[`+oneModule+`,{"type":"x.Dropout","path":"0"},{"type":"x.Pooling","path":"1_Pooling"}]`), want: []poolKind{poolMax}},
		"broken Pooling":  {files: changed(pooling(`[]`)), err: "1_Pooling/config.json: json"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := readHub(folder(t, c.files))
			require.NoError(t, err)
			got, assumed, err := h.pooling(c.asked)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.notes == 1, assumed != "")
		})
	}
}

func TestHubLengthAndPad(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		length int
		pad    int64
		offset int64
		notes  int
	}{
		"positions":        {files: map[string]string{"config.json": `{"max_position_embeddings":64}`}, length: 64},
		"sentence":         {files: map[string]string{"config.json": bertConfig, "sentence_bert_config.json": `{"max_seq_length":32}`, "tokenizer_config.json": `{"model_max_length":48}`}, length: 32},
		"sentence, silent": {files: map[string]string{"config.json": bertConfig, "sentence_bert_config.json": `{"max_seq_length":null}`, "tokenizer_config.json": `{"model_max_length":48}`}, length: 48},
		"above the table":  {files: map[string]string{"config.json": bertConfig, "tokenizer_config.json": `{"model_max_length":512}`}, length: 64},
		"no limit named":   {files: map[string]string{"config.json": bertConfig, "tokenizer_config.json": `{"model_max_length":1e30}`}, length: 64},
		"roberta":          {files: map[string]string{"config.json": `{"model_type":"xlm-roberta","max_position_embeddings":514,"pad_token_id":1}`}, length: 512, pad: 1, offset: 2},
		"absurd":           {files: map[string]string{"config.json": `{"max_position_embeddings":9223372036854775807}`}, length: 512, notes: 1},
		"nothing at all":   {files: map[string]string{"config.json": `{}`}, length: 512, notes: 1},
		"pad by name": {files: map[string]string{"config.json": `{"n_positions":9}`, "tokenizer_config.json": `{"pad_token":{"content":"<p>"}}`,
			"tokenizer.json": `{"added_tokens":[{"id":3,"content":"<x>"},{"id":7,"content":"<p>"}]}`}, length: 9, pad: 7},
		"pad of padding": {files: map[string]string{"config.json": `{"n_positions":9,"pad_token_id":-1}`, "tokenizer.json": `{"padding":{"pad_id":5}}`}, length: 9, pad: 5},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := readHub(folder(t, c.files))
			require.NoError(t, err)
			pad, err := h.padID()
			require.NoError(t, err)
			require.Equal(t, c.pad, pad)
			require.Equal(t, c.offset, h.positionOffset(pad))
			length, err := h.maxLength(c.offset)
			require.NoError(t, err)
			require.Equal(t, c.length, length)
			require.Len(t, h.notes, c.notes)
		})
	}
}

func TestHubErrors(t *testing.T) {
	_, err := readHub(folder(t, nil))
	require.ErrorContains(t, err, "there is no config.json")
	_, err = readHub(folder(t, map[string]string{"config.json": `[]`}))
	require.ErrorContains(t, err, "config.json: json")
	h, err := readHub(folder(t, map[string]string{"config.json": `{}`, "config_sentence_transformers.json": `{"prompts":{"query":"q: ","document":""},"default_prompt_name":"query"}`}))
	require.NoError(t, err)
	prompts, err := h.prompts()
	require.NoError(t, err)
	require.Equal(t, hubPrompts{Prompts: map[string]string{"query": "q: "}, Default: "query"}, prompts)
}

func TestInt8Files(t *testing.T) {
	require.Equal(t, []string{"model_int8.onnx", "model_quantized.onnx", "model_uint8.onnx"}, int8Files(isa{}))
	require.Equal(t, "model_qint8_arm64.onnx", int8Files(isa{arm64: true})[0])
	require.Equal(t, []string{"model_qint8_avx512_vnni.onnx", "model_qint8_avx512.onnx", "model_quint8_avx2.onnx"}, int8Files(isa{avx2: true, avx512: true, vnni: true})[:3])
	require.Equal(t, "model_quint8_avx2.onnx", int8Files(isa{avx2: true})[0])
}

func TestPositions(t *testing.T) {
	positions := make([]int64, 5)
	padder{offset: 2}.count(positions, 3)
	require.Equal(t, []int64{2, 3, 4, 1, 1}, positions)
	padder{}.count(positions, 2)
	require.Equal(t, []int64{0, 1, 0, 0, 0}, positions)
}

func TestHubLowerCase(t *testing.T) {
	for tokenizer, refused := range map[string]bool{
		`{"normalizer":{"type":"BertNormalizer","lowercase": true}}`:                              false,
		`{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type": "Lowercase"}]}}`: false,
		`{"normalizer":{"type":"BertNormalizer","lowercase":false}}`:                              true,
		`{"normalizer":null}`: true,
		`{}`:                  true,
	} {
		h, err := readHub(folder(t, map[string]string{"config.json": `{}`, "sentence_bert_config.json": `{"do_lower_case":true}`, "tokenizer.json": tokenizer}))
		require.NoError(t, err)
		err = h.checkLowerCase()
		require.Equal(t, refused, err != nil, tokenizer)
		h, err = readHub(folder(t, map[string]string{"config.json": `{}`, "sentence_bert_config.json": `{"do_lower_case":false}`, "tokenizer.json": tokenizer}))
		require.NoError(t, err)
		require.NoError(t, h.checkLowerCase())
	}
}
