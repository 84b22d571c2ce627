package upstreamtest

// dialectOf gives what is particular to a kind.
func dialectOf(kind Kind, f *Fake) dialect {
	switch kind {
	case TEI:
		return &tei{f: f}
	case TEI18:
		return &tei{f: f, old: true}
	case VLLM:
		return &vllm{f: f}
	case Ollama:
		return &ollama{f: f}
	case Infinity:
		return &infinity{f: f}
	case OpenAI:
		return &openai{f: f}
	case Cohere:
		return &cohere{f: f}
	case Jina:
		return &jina{f: f}
	default:
		panic("upstreamtest: no kind is called " + string(kind))
	}
}
