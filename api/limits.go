package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// Limiter counts what each caller asks for; *ratelimit.Limiter is one.
type Limiter interface {
	Take(ctx context.Context, caller ratelimit.Caller, model string, tokens int) (*ratelimit.Grant, error)
}

// bytesPerToken is what texts are taken to have before they are tokenised.
const bytesPerToken = 4

func estimateText(text string) int { return max(1, len(text)/bytesPerToken) }

func estimateTexts(texts []string) int {
	tokens := 0
	for _, text := range texts {
		tokens += estimateText(text)
	}
	return tokens
}

func estimateInputs(inputs []models.Input) int {
	tokens := 0
	for _, input := range inputs {
		if input.IDs != nil {
			tokens += max(1, len(input.IDs))
			continue
		}
		tokens += estimateText(input.Text)
	}
	return tokens
}

// estimateRerank counts the query once for each document, as a model reads it.
func estimateRerank(query string, documents []string) int {
	return len(documents)*estimateText(query) + estimateTexts(documents)
}

// admit finds the model that a request asks for, and counts the request, of so many tokens as
// far as can be told now, towards its caller's limits. It fails with KindForbidden when the
// caller may not use the model, and with KindRateLimited.
func (x *call) admit(ctx context.Context, asked string, task models.Task, tokens int) (models.Entry, error) {
	entry, err := x.find(asked, task)
	if err != nil {
		return models.Entry{}, err
	}
	x.serves(entry)
	return entry, x.take(ctx, entry, tokens)
}

// atMost is an estimate within what a model reads of a request's items.
func (x *call) atMost(tokens int, e models.Entry) int {
	// A model that reads more than all of them cuts nothing, whatever the product would be.
	if longest := e.Model.Info().MaxLength; longest > 0 && longest < tokens && x.event.Items > 0 {
		return min(tokens, longest*x.event.Items)
	}
	return tokens
}

// take counts a request towards its caller's limits.
func (x *call) take(ctx context.Context, e models.Entry, tokens int) error {
	limiter := x.server.options.Limits
	if limiter == nil || x.who == nil || x.who.Limits == "" || x.grant != nil {
		return nil
	}
	caller := ratelimit.Caller{Class: x.who.Limits, Name: x.name()}
	tokens = x.atMost(tokens, e)
	grant, err := limiter.Take(ctx, caller, e.Name, tokens)
	var over *ratelimit.Exceeded
	if errors.As(err, &over) {
		x.event.LimitClass, x.event.LimitSetting = over.Class, over.Setting
		x.showLimits(over.State)
		return exceeded(over, tokens)
	}
	if err != nil {
		return err
	}
	x.grant, x.estimate = grant, tokens
	x.showLimits(grant.State())
	return nil
}

// settle ends the count of a request. What a model did not say of the tokens it used is what
// was estimated; what was not answered used those that are known of.
func (x *call) settle() {
	if x.grant == nil {
		return
	}
	tokens := x.event.Usage.PromptTokens
	if tokens == 0 && (x.event.Error == nil || x.abandoned()) {
		tokens = x.estimate
	}
	x.grant.Done(tokens)
	x.grant = nil
}

// abandoned reports whether a failed request may have been computed for nobody: whoever leaves, or
// gives too little time, is not to have that for nothing.
func (x *call) abandoned() bool {
	switch x.event.Status {
	case statusClientGone:
		return true
	case fiber.StatusGatewayTimeout:
		return !time.Now().Before(x.deadline)
	}
	return false
}

// exceeded says which limit a request is over. What is more than a limit allows at once has no
// better chance later.
func exceeded(over *ratelimit.Exceeded, tokens int) error {
	where := fmt.Sprintf("%s of the class %s in rate_limits.yaml", over.Setting, over.Class)
	if over.RetryAfter < 0 {
		return models.Errorf(models.KindTooLarge, "the request has about %d tokens, more than the %d that may come at once (%s): send less in one request", tokens, over.Limit, where).Because(over)
	}
	return models.Errorf(models.KindRateLimited, "more than %d %s (%s); try again later", over.Limit, unitOf(over.Setting), where).After(over.RetryAfter).Because(over)
}

func unitOf(setting string) string {
	switch setting {
	case "requests_per_minute":
		return "requests a minute"
	case "tokens_per_minute":
		return "tokens a minute"
	}
	return "requests at once"
}

// showLimits tells the client where it stands.
func (x *call) showLimits(s ratelimit.State) {
	x.showWindow("requests", s.Requests)
	x.showWindow("tokens", s.Tokens)
}

func (x *call) showWindow(what string, w ratelimit.Window) {
	if w.Limit == 0 {
		return
	}
	x.http.Set("X-Ratelimit-Limit-"+what, strconv.Itoa(w.Limit))
	x.http.Set("X-Ratelimit-Remaining-"+what, strconv.Itoa(max(0, w.Remaining)))
	x.http.Set("X-Ratelimit-Reset-"+what, w.Reset.Round(time.Millisecond).String())
}
