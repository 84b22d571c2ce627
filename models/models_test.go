package models

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func entry(name string, state State, tasks ...Task) Entry {
	return Entry{Name: name, Aliases: []string{name + "-alias"}, Tasks: tasks, Model: Placeholder{State: state, Reason: "a reason"}}
}

func TestLookupByNameAndAlias(t *testing.T) {
	c, err := NewCatalog(entry("a", StateReady, TaskEmbed), entry("b", StateReady, TaskRerank))
	require.NoError(t, err)
	for _, name := range []string{"a", "a-alias"} {
		e, err := c.Lookup(name)
		require.NoError(t, err)
		require.Equal(t, "a", e.Name)
	}
	_, err = c.Lookup("c")
	require.Equal(t, KindNotFound, KindOf(err))
	require.ErrorContains(t, err, `no model is called "c"`)
	_, err = (&Catalog{}).Lookup("a")
	require.Equal(t, KindNotFound, KindOf(err))
}

func TestAnEntryIsCalledByItsNames(t *testing.T) {
	e := entry("a", StateReady, TaskEmbed)
	require.True(t, e.Called("a"))
	require.True(t, e.Called("a-alias"))
	require.False(t, e.Called("A"))
}

func TestReplaceReportsAllAndKeepsTheOld(t *testing.T) {
	c, err := NewCatalog(entry("a", StateReady, TaskEmbed))
	require.NoError(t, err)
	err = c.Replace([]Entry{{Name: "x", Aliases: []string{"y"}}, {Name: "y"}, {Name: ""}, {Name: "x"}})
	require.ErrorContains(t, err, `name "y" is used by both "x" and "y"`)
	require.ErrorContains(t, err, `model 2 (""): empty name or alias`)
	require.ErrorContains(t, err, `name "x" is used by both "x" and "x"`)
	require.Len(t, c.Entries(), 1)
	require.Equal(t, "a", c.Entries()[0].Name)
}

func TestARequestWithoutAModelGetsTheDefault(t *testing.T) {
	for name, c := range map[string]struct {
		entries []Entry
		want    string
	}{
		"the alias":                     {[]Entry{entry("a", StateReady, TaskEmbed), {Name: "b", Aliases: []string{DefaultAlias}, Tasks: []Task{TaskEmbed}, Model: Placeholder{State: StateReady}}}, "b"},
		"the alias does something else": {[]Entry{{Name: "b", Aliases: []string{DefaultAlias}, Tasks: []Task{TaskRerank}}, entry("a", StateReady, TaskEmbed)}, "a"},
		"the first that is ready":       {[]Entry{entry("a", StateLoading, TaskEmbed), entry("b", StateReady, TaskRerank), entry("c", StateReady, TaskEmbed)}, "c"},
		"the first if none is":          {[]Entry{entry("b", StateReady, TaskRerank), entry("a", StateLoading, TaskEmbed), entry("c", StateFailed, TaskEmbed)}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			catalog, err := NewCatalog(c.entries...)
			require.NoError(t, err)
			e, err := catalog.Resolve("", TaskEmbed)
			require.NoError(t, err)
			require.Equal(t, c.want, e.Name)
		})
	}
	catalog, err := NewCatalog(entry("b", StateReady, TaskRerank))
	require.NoError(t, err)
	_, err = catalog.Resolve("", TaskEmbed)
	require.ErrorContains(t, err, "no model is named in the request, and none here does embed")
}

func TestAnEntryThatCannotServeSaysWhy(t *testing.T) {
	for _, c := range []struct {
		entry Entry
		kind  Kind
		want  string
	}{
		{entry("m", StateReady, TaskRerank), KindUnsupportedTask, `model "m" does not do embed; it does rerank`},
		{entry("m", StateLoading, TaskEmbed), KindLoading, `model "m" is being loaded`},
		{entry("m", StateUnavailable, TaskEmbed), KindNotFound, `model "m" is not here: a reason`},
		{entry("m", StateFailed, TaskEmbed), KindUnavailable, `model "m" cannot serve: a reason`},
		{entry("m", StateReady, TaskEmbed), KindUnsupportedTask, `model "m" is configured for embed, which its files cannot do`},
	} {
		_, err := c.entry.Embedder()
		require.Equal(t, c.kind, KindOf(err))
		require.ErrorContains(t, err, c.want)
	}
	_, err := entry("m", StateReady, TaskEmbed).Reranker()
	require.Equal(t, KindUnsupportedTask, KindOf(err))
}

func TestErrorTellsAllButHidesNothingFromTheChain(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("outer: %w", Errorf(KindQueueFull, "full of %d", 3).In("m", "embed").At("input[3]").After(time.Second).Because(cause))
	require.Equal(t, "outer: m: embed: input[3]: full of 3: cause", err.Error())
	require.ErrorIs(t, err, cause)
	require.Equal(t, KindQueueFull, KindOf(err))
	require.Equal(t, KindInternal, KindOf(cause))
	require.Len(t, Kinds(), int(KindCanceled)+1)
}

func TestEveryKindHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		require.NotEmpty(t, k.String())
		require.False(t, seen[k.String()], k.String())
		seen[k.String()] = true
	}
	require.Equal(t, "unknown", Kind(-1).String())
}

// family serves every name that begins with its own.
type family string

func (f family) Find(name string) (Entry, bool) {
	if len(name) <= len(f) || name[:len(f)] != string(f) {
		return Entry{}, false
	}
	return entry(name, StateReady, TaskEmbed), true
}

func (f family) Known() []Entry {
	return []Entry{entry(string(f)+"x", StateReady, TaskEmbed), entry("a", StateReady, TaskEmbed)}
}

func TestFamiliesAreAskedAfterTheEntries(t *testing.T) {
	c, err := NewCatalog(entry("a", StateReady, TaskRerank))
	require.NoError(t, err)
	require.NoError(t, c.ReplaceAll(c.Entries(), []Family{family("a"), family("ab")}))
	e, err := c.Lookup("a")
	require.NoError(t, err)
	require.Equal(t, []Task{TaskRerank}, e.Tasks, "an entry wins over a family")
	e, err = c.Lookup("abc")
	require.NoError(t, err)
	require.Equal(t, "abc", e.Name)
	_, err = c.Lookup("b")
	require.Equal(t, KindNotFound, KindOf(err))
	var names []string
	for _, e := range c.Listed() {
		names = append(names, e.Name)
	}
	require.Equal(t, []string{"a", "ax", "abx"}, names)
	require.Len(t, c.Entries(), 1)
	e, err = c.Resolve("", TaskEmbed)
	require.NoError(t, err)
	require.Equal(t, "ax", e.Name, "what families know may be the default")
	require.NoError(t, c.Replace([]Entry{entry("z", StateReady, TaskEmbed)}))
	_, err = c.Lookup("abc")
	require.NoError(t, err, "Replace leaves families alone")
}

// anything serves every name, as a pattern does whose upstream cannot list its models.
type anything struct{}

func (anything) Find(name string) (Entry, bool) { return entry(name, StateReady, TaskEmbed), true }

// called is such a pattern that is called "default".
type called struct{ anything }

func (called) Find(name string) (Entry, bool) {
	return Entry{Name: name, Aliases: []string{name}, Tasks: []Task{TaskEmbed}, Model: Placeholder{State: StateReady}}, true
}

func (anything) Known() []Entry { return nil }

func TestFamiliesAreNotAskedForWhatIsNoName(t *testing.T) {
	c, err := NewCatalog(entry("a", StateReady, TaskRerank))
	require.NoError(t, err)
	require.NoError(t, c.ReplaceAll(c.Entries(), []Family{anything{}}))
	for _, name := range []string{"org/größe-1", strings.Repeat("n", maxName)} {
		_, err := c.Lookup(name)
		require.NoError(t, err, "%q", name)
	}
	for _, name := range []string{"bad\xff", "two\nlines", "nul\x00", strings.Repeat("n", maxName+1)} {
		_, err := c.Lookup(name)
		require.Equal(t, KindNotFound, KindOf(err), "%q", name)
	}
}

func TestAFamilyThatTakesAnyNameIsNotTheDefault(t *testing.T) {
	c, err := NewCatalog(entry("a", StateReady, TaskRerank), entry("b", StateReady, TaskEmbed))
	require.NoError(t, err)
	require.NoError(t, c.ReplaceAll(c.Entries(), []Family{anything{}}))
	_, ok := c.Default()
	require.False(t, ok)
	e, err := c.Resolve("", TaskEmbed)
	require.NoError(t, err)
	require.Equal(t, "b", e.Name)
	e, err = c.Lookup(DefaultAlias)
	require.NoError(t, err, "who asks for it gets it")
	require.Equal(t, DefaultAlias, e.Name)
	_, ok = (&Catalog{}).Default()
	require.False(t, ok)
	require.NoError(t, c.ReplaceAll(c.Entries(), []Family{anything{}, called{}}))
	e, err = c.Resolve("", TaskEmbed)
	require.NoError(t, err)
	require.Equal(t, DefaultAlias, e.Name, "its alias says so")
}

// resting is a model whose upstream cannot serve it.
type resting struct{ Placeholder }

func (r resting) Status() Status {
	return Status{State: StateFailed, Reason: "it is down", Backend: "tei"}
}

func TestWhoCannotServeIsNamed(t *testing.T) {
	_, err := Entry{Name: "m", Tasks: []Task{TaskEmbed}, Model: resting{}}.Embedder()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, KindUnavailable, e.Kind)
	require.Equal(t, "tei", e.Backend)
}

func TestClassifiersAndTokenizersAreFound(t *testing.T) {
	for _, c := range []struct {
		entry Entry
		kind  Kind
		want  string
	}{
		{entry("m", StateReady, TaskEmbed), KindUnsupportedTask, `model "m" does not do classify; it does embed`},
		{entry("m", StateReady, TaskClassify), KindUnsupportedTask, `which its files cannot do`},
		{entry("m", StateUnloaded, TaskClassify), KindUnavailable, `model "m" cannot serve: a reason`},
	} {
		_, err := c.entry.Classifier()
		require.Equal(t, c.kind, KindOf(err))
		require.ErrorContains(t, err, c.want)
	}
	_, err := entry("m", StateReady, TaskRerank).Tokenizer()
	require.ErrorContains(t, err, `model "m" does not show its tokens`)
	_, err = entry("m", StateLoading, TaskRerank).Tokenizer()
	require.Equal(t, KindLoading, KindOf(err))
}
