package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// verdictOf writes a fault as its kind and field, with + when it is worth another attempt and !
// when the address is to blame.
func verdictOf(f fault) string {
	names := map[models.Kind]string{
		models.KindInvalid: "invalid", models.KindTooLong: "too long", models.KindUnsupportedTask: "task", models.KindNotFound: "no model", models.KindTooLarge: "too large",
		models.KindRateLimited: "rate", models.KindQueueFull: "busy", models.KindQueueTimeout: "waited", models.KindDeadline: "late", models.KindLoading: "loading", models.KindUnavailable: "unavailable",
		models.KindUpstream: "failed", models.KindUpstreamCredentials: "credentials",
	}
	text := names[f.err.Kind]
	if f.err.Param != "" {
		text += " at " + f.err.Param
	}
	if f.again {
		text += " +"
	}
	if f.sick {
		text += " !"
	}
	return text
}

const (
	nginx = `<html><head><title>502 Bad Gateway</title></head><body>nginx/1.25</body></html>`
	// fastAPI is the answer of a route that is not there.
	fastAPI = `{"detail":"Not Found"}`
)

func TestFaultsOfEachServer(t *testing.T) {
	for _, c := range []struct {
		kind   Type
		op     operation
		status int
		body   string
		want   string
	}{
		{TypeVLLM, opEmbed, 500, `{"error":{"message":"EngineCore encountered an issue.","type":"InternalServerError","param":null,"code":500}}`, "failed + !"},
		{TypeVLLM, opEmbed, 503, ``, "failed + !"},
		{TypeVLLM, opEmbed, 503, `{"error":{"message":"The server is overloaded. Please try again later.","type":"ServiceUnavailableError","param":null,"code":503}}`, "busy +"},
		{TypeVLLM, opEmbed, 404, "{\"error\":{\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"param\":\"model\",\"code\":404}}", "no model at model"},
		{TypeVLLM, opEmbed, 404, "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}", "no model at model"},
		{TypeVLLM, opRerank, 404, fastAPI, "task at model"},
		{TypeVLLM, opRerank, 501, `{"error":{"message":"x","type":"NotImplementedError","param":null,"code":501}}`, "task at model"},
		{TypeVLLM, opRerank, 400, `{"object":"error","message":"The model does not support Score API","type":"BadRequestError","param":null,"code":400}`, "task at model"},
		{TypeVLLM, opEmbed, 400, `{"error":{"message":"1 validation error","type":"Bad Request","param":null,"code":400}}`, "invalid"},
		{TypeVLLM, opEmbed, 400, `{"error":{"message":"You passed 513 input tokens and requested 0 output tokens. However, the model's context length is only 512 tokens","type":"BadRequestError","param":"input_tokens","code":400}}`, "too long at input"},
		{TypeVLLM, opRerank, 400, `{"object":"error","message":"This model's maximum context length is 512 tokens. However, you requested 0 output tokens and your prompt contains at least 513","type":"BadRequestError","param":null,"code":400}`, "too long at documents"},
		{TypeVLLM, opEmbed, 400, `{"error":{"message":"Model \"X\" does not support matryoshka representation, changing output dimensions will lead to poor results.","type":"BadRequestError","param":null,"code":400}}`, "invalid at dimensions"},
		{TypeVLLM, opEmbed, 401, `{"error":"Unauthorized"}`, "credentials !"},

		{TypeOllama, opEmbed, 500, `{"error":"do embedding request: EOF"}`, "failed + !"},
		{TypeOllama, opEmbed, 503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, "busy +"},
		{TypeOllama, opEmbed, 404, `{"error":"model 'x' not found"}`, "no model at model"},
		{TypeOllama, opEmbed, 404, `{"error":"model \"x\" not found, try pulling it first"}`, "no model at model"},
		{TypeOllama, opEmbed, 404, `404 page not found`, "task at model"},
		{TypeOllama, opEmbed, 400, `{"error":"invalid input type"}`, "invalid"},
		{TypeOllama, opEmbed, 400, `{"error":"the input length exceeds the context length"}`, "too long at input"},
		{TypeOllama, opEmbed, 400, `{"error":"input after truncation exceeds maximum context length"}`, "too long at input"},
		{TypeOllama, opEmbed, 400, `{"error":"\"x\" does not support embeddings"}`, "task at model"},
		{TypeOllama, opEmbed, 499, ``, "failed + !"},

		{TypeTEI, opEmbed, 503, `{"error":"unhealthy","error_type":"Unhealthy"}`, "failed + !"},
		{TypeTEI, opEmbed, 424, `{"error":"Backend error: the engine has stopped","error_type":"Backend"}`, "failed + !"},
		{TypeTEI, opRerank, 424, `{"error":"Backend error: model is not a re-ranker model","error_type":"Backend"}`, "task at model"},
		{TypeTEI, opEmbed, 424, `{"error":"Backend error: Model is not an embedding model","error_type":"Backend"}`, "task at model"},
		{TypeTEI, opRerank, 424, `{"error":"score is NaN","error_type":"Backend"}`, "failed + !"},
		// Our own words on TEI's routes.
		{TypeTEI, opEmbed, 422, `{"error":"inputs[1] has 259 tokens, model \"m\" takes 256, and truncation was refused","error_type":"Validation"}`, "too long at input[1]"},
		{TypeTEI, opRerank, 424, `{"error":"model \"m\" does not do rerank; it does embed","error_type":"Backend"}`, "task at model"},
		{TypeTEI, opEmbed, 429, `{"error":"Model is overloaded","error_type":"Overloaded"}`, "busy +"},
		{TypeTEI, opEmbed, 400, "Failed to parse the request body as JSON: EOF while parsing", "invalid"},
		{TypeTEI, opEmbed, 415, "Expected request with `Content-Type: application/json`", "invalid"},
		{TypeTEI, opEmbed, 422, "Failed to deserialize the JSON body into the target type: missing field `inputs`", "invalid"},
		{TypeTEI, opEmbed, 400, "{\"error\":\"`inputs` cannot be empty\",\"error_type\":\"Empty\"}", "invalid"},
		{TypeTEI, opEmbed, 422, "{\"error\":\"Input validation error: `inputs` must have less than 512 tokens. Given: 900\",\"error_type\":\"Validation\"}", "too long at input"},
		{TypeTEI, opRerank, 413, "{\"error\":\"Input validation error: `inputs` must have less than 512 tokens. Given: 900\",\"error_type\":\"Validation\"}", "too long at documents"},
		{TypeTEI, opEmbed, 422, `{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}`, "too large"},
		{TypeTEI, opEmbed, 413, `{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}`, "too large"},
		{TypeTEI, opEmbed, 413, `Failed to buffer the request body: length limit exceeded`, "too large"},
		{TypeTEI, opEmbed, 413, `{"error":"something else","error_type":"Validation"}`, "invalid"},
		{TypeTEI, opEmbed, 422, "{\"error\":\"`dimensions` should be positive\",\"error_type\":\"Validation\"}", "invalid at dimensions"},
		{TypeTEI, opEmbed, 422, "{\"error\":\"Input validation error: default_prompt_name `x` not found; available prompts: query\",\"error_type\":\"Validation\"}", "invalid at prompt_name"},
		{TypeTEI, opEmbed, 401, ``, "credentials !"},
		{TypeTEI, opEmbed, 404, ``, "task at model"},

		{TypeInfinity, opEmbed, 500, `{"error":{"message":"InternalServerError: x","type":null,"param":null,"code":500}}`, "failed + !"},
		{TypeInfinity, opEmbed, 429, `{"error":{"message":"model x is currently overloaded","type":null,"param":null,"code":429}}`, "busy +"},
		{TypeInfinity, opEmbed, 400, `{"error":{"message":"Invalid model: x","type":null,"param":null,"code":400}}`, "no model at model"},
		{TypeInfinity, opRerank, 400, "{\"error\":{\"message\":\"ModelNotDeployedError: model=`x` does not support `rerank`. Reason: none\",\"type\":null,\"param\":null,\"code\":400}}", "task at model"},
		{TypeInfinity, opEmbed, 422, `{"detail":[{"type":"missing","loc":["body","input"],"msg":"Field required"}]}`, "invalid"},
		{TypeInfinity, opEmbed, 401, `{"detail":"Unauthorized"}`, "credentials !"},
		{TypeInfinity, opRerank, 404, fastAPI, "task at model"},

		{TypeOpenAI, opEmbed, 429, `{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, "busy +"},
		{TypeOpenAI, opEmbed, 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, "credentials !"},
		{TypeOpenAI, opEmbed, 401, `{"error":{"message":"Incorrect API key provided: sk-abc","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, "credentials !"},
		{TypeOpenAI, opEmbed, 404, `{"error":{"message":"The model x does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, "no model at model"},
		{TypeOpenAI, opEmbed, 404, `{"error":{"message":"Unknown request URL","type":"invalid_request_error","param":null,"code":"unknown_url"}}`, "task at model"},
		{TypeOpenAI, opEmbed, 404, fastAPI, "task at model"},
		{TypeOpenAI, opEmbed, 400, `{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":null,"code":null}}`, "too long at input"},
		{TypeOpenAI, opEmbed, 400, `{"error":{"message":"Invalid 'input[12]': maximum input length is 8192 tokens.","type":"invalid_request_error","param":null,"code":null}}`, "too long at input[12]"},
		{TypeOpenAI, opEmbed, 400, `{"error":{"message":"Invalid value for 'dimensions'","type":"invalid_request_error","param":"dimensions","code":null}}`, "invalid at dimensions"},

		{TypeCohere, opEmbed, 401, `{"message":"invalid api token"}`, "credentials !"},
		{TypeCohere, opEmbed, 402, `{"message":"billing"}`, "credentials !"},
		{TypeCohere, opEmbed, 498, `{"message":"token blocked"}`, "credentials !"},
		{TypeCohere, opEmbed, 404, `{"message":"model 'x' not found"}`, "no model at model"},
		{TypeCohere, opEmbed, 400, `{"message":"invalid request: too many tokens: size limit exceeded"}`, "too long at input"},
		{TypeCohere, opEmbed, 429, `{"message":"trial key"}`, "busy +"},
		{TypeCohere, opRerank, 500, `{"message":"x"}`, "failed + !"},

		{TypeJina, opEmbed, 402, `{"detail":"insufficient balance"}`, "credentials !"},
		{TypeJina, opEmbed, 422, `{"detail":"Model x not found"}`, "no model at model"},
		{TypeJina, opEmbed, 400, `{"detail":"[ValidationError] Single text cannot exceed 8194 tokens. 9000 tokens given."}`, "too long at input"},
		{TypeJina, opEmbed, 422, `{"detail":[{"loc":["body","input"],"msg":"field required"}]}`, "invalid"},
		{TypeJina, opEmbed, 400, quadrateError("context_length_exceeded", "input"), "too long at input"},
		{TypeInfinity, opEmbed, 400, quadrateError("context_length_exceeded", "input"), "too long at input"},
		{TypeJina, opEmbed, 429, `{"detail":"slow down"}`, "busy +"},

		{TypeQuadrate, opEmbed, 400, quadrateError("context_length_exceeded", "input[3]"), "too long at input[3]"},
		{TypeQuadrate, opEmbed, 400, quadrateError("invalid_request_error", "prompt_name"), "invalid at prompt_name"},
		{TypeQuadrate, opEmbed, 400, quadrateError("unsupported_task", "model"), "task at model"},
		{TypeQuadrate, opEmbed, 404, quadrateError("model_not_found", "model"), "no model at model"},
		{TypeQuadrate, opEmbed, 413, quadrateError("request_too_large", ""), "too large"},
		{TypeQuadrate, opEmbed, 429, quadrateError("rate_limit_exceeded", ""), "rate +"},
		{TypeQuadrate, opEmbed, 429, quadrateError("queue_full", ""), "busy +"},
		{TypeQuadrate, opEmbed, 503, quadrateError("queue_timeout", ""), "waited +"},
		{TypeQuadrate, opEmbed, 504, quadrateError("deadline_exceeded", ""), "late"},
		{TypeQuadrate, opTokens, 504, `{"error":"the request's time was up","error_type":"Backend"}`, "late"},
		{TypeQuadrate, opEmbed, 503, quadrateError("model_loading", ""), "loading +"},
		{TypeQuadrate, opEmbed, 503, quadrateError("model_unavailable", ""), "unavailable + !"},
		{TypeQuadrate, opEmbed, 503, quadrateError("shutting_down", ""), "unavailable + !"},
		{TypeQuadrate, opEmbed, 502, quadrateError("upstream_credentials", ""), "failed + !"},
		{TypeQuadrate, opEmbed, 500, quadrateError("internal_error", ""), "failed + !"},
		{TypeQuadrate, opEmbed, 401, quadrateError("invalid_api_key", ""), "credentials !"},
		{TypeQuadrate, opEmbed, 403, quadrateError("model_not_allowed", ""), "credentials !"},
		{TypeQuadrate, opEmbed, 404, quadrateError("unknown_route", ""), "task at model"},
		{TypeQuadrate, opTokens, 422, `{"error":"inputs[1] has 900 tokens, model \"m\" takes 512, and truncation was refused","error_type":"Validation"}`, "too long at input[1]"},
		{TypeQuadrate, opTokens, 422, `{"error":"prompt_name: no prompt is called \"x\"","error_type":"Validation"}`, "invalid at prompt_name"},
		{TypeQuadrate, opTokens, 424, `{"error":"model \"m\" gives no token states","error_type":"Backend"}`, "task at model"},
		{TypeQuadrate, opTokens, 429, `{"error":"the model's queue is full","error_type":"Overloaded"}`, "busy +"},
	} {
		f := speak(t, c.kind).fault(c.op, &response{status: c.status, header: http.Header{}, body: []byte(c.body)})
		require.Equal(t, c.want, verdictOf(f), "%s %d %s", c.kind, c.status, c.body)
		require.NotEmpty(t, f.err.Message)
		require.Error(t, f.err.Err)
		require.NotContains(t, f.err.Message, "sk-abc")
	}
}

func quadrateError(code, param string) string {
	place := "null"
	if param != "" {
		place = `"` + param + `"`
	}
	return `{"error":{"message":"words","type":"t","param":` + place + `,"code":"` + code + `"},"message":"words"}`
}

// A proxy in between, or a wrong URL, is the same to all.
func TestFaultsOfWhatIsInBetween(t *testing.T) {
	for _, kind := range Types() {
		d := speak(t, kind)
		for _, c := range []struct {
			status int
			body   string
			header []string
			want   string
			words  string
		}{
			{502, nginx, nil, "failed + !", "the upstream failed with status 502"},
			{504, nginx, nil, "failed + !", "the upstream failed with status 504"},
			{503, nginx, nil, "failed + !", "status 503"},
			{503, nginx, []string{"Retry-After", "7"}, "busy +", "overloaded"},
			{429, nginx, []string{"Retry-After", "7"}, "busy +", "overloaded"},
			{404, nginx, nil, "failed !", "(upstreams[].urls) leads to something that answers with status 404 and a page of HTML"},
			{400, nginx, nil, "failed !", "leads to something"},
			{403, nginx, nil, "credentials !", "refused this server's credentials (upstreams[].api_key)"},
			{413, nginx, nil, "too large", "upstreams[].max_bytes"},
			{307, "", []string{"Location", "https://elsewhere"}, "failed !", "status 307"},
			{408, "", nil, "failed + !", "status 408"},
			{500, `{"error":{"message":"/srv/secret/path.py"}}`, nil, "failed + !", "status 500"},
			{418, "x\x00\n\n y\xff", nil, "invalid", "the upstream refused the request: x y"},
			{400, "", nil, "invalid", "with status 400 and an empty body"},
			{400, "{}", nil, "invalid", "with status 400 and other JSON"},
			{405, "", nil, "task at model", "does not do this"},
		} {
			f := d.fault(opEmbed, &response{status: c.status, header: headers(c.header), body: []byte(c.body)})
			require.Equal(t, c.want, verdictOf(f), "%s %d", kind, c.status)
			require.Contains(t, f.err.Message, c.words)
			require.NotContains(t, f.err.Error(), "nginx")
			require.NotContains(t, f.err.Message, "secret")
			if len(c.header) > 0 && c.header[0] == "Retry-After" {
				require.Equal(t, 7*time.Second, f.err.RetryAfter)
			}
		}
	}
}

func TestMessagesOfOthersAreShortAndPlain(t *testing.T) {
	long := sanitise(strings.Repeat("ä ", 500))
	require.Equal(t, maxMessage+1, len([]rune(strings.ReplaceAll(long, " ", ""))))
	require.True(t, strings.HasSuffix(long, "…"))
	require.Equal(t, "a b c", sanitise("\x1b a\n\tb\u200b\u202ec "))
	require.Empty(t, sanitise("\n \x00"))
	require.Equal(t, 90*time.Second, retryAfter("90"))
	require.Equal(t, 500*time.Millisecond, retryAfter(" 0.5"))
	for _, text := range []string{"", "-1", "soon", "1e99", "NaN", "Mon, 02 Jan 2006 15:04:05 GMT"} {
		require.Zero(t, retryAfter(text), text)
	}
	require.Greater(t, retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)), 50*time.Second)
}
