package managed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

func TestWhatIsTheServersAloneIsConcealed(t *testing.T) {
	s := managed.Spec{
		Command: []string{"--model-id", "org/model", "--api-key", "first-key", "2nd", "--port", "80", "--hf-token=token=value", "--tokenizer", "org/tokenizer", "--max-batch-tokens=16384"},
		Env:     []string{"HF_TOKEN=hf_abcdefgh", "WIDER=hf_abcdefgh_and_more", "LEVEL=debug", "EMPTY="},
	}
	require.Equal(t, []string{
		"--model-id", "org/model", "--api-key", "(concealed)", "(concealed)", "--port", "80", "--hf-token=(concealed)",
		"--tokenizer", "org/tokenizer", "--max-batch-tokens=16384",
	}, s.ShownCommand())
	require.Equal(t, "--api-key", s.Command[2])
	require.Equal(t, "first-key", s.Command[3])
	for text, want := range map[string]string{
		"":                                   "",
		"debug 2nd org/model":                "debug 2nd org/model",
		"key first-key, token=value":         "key (concealed), (concealed)",
		"a hf_abcdefgh hf_abcdefgh_and_more": "a (concealed) (concealed)",
	} {
		require.Equal(t, want, s.Conceal(text))
	}
	require.Equal(t, "text", managed.Spec{}.Conceal("text"))
	require.Empty(t, managed.Spec{}.ShownCommand())
}

// What a server writes of its environment is for nobody but who reads its whole log.
func TestLastLinesHoldNoSecrets(t *testing.T) {
	o := settings(with(spec("a"), func(s *managed.Spec) { s.Env = []string{"HF_TOKEN=hf_abcdefgh"} }))
	virtual(t, o, func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: true, EndsAfter: time.Second, ExitCode: 1, Logs: "no access with hf_abcdefgh\n"}
	}, func(r *rig) {
		_, err := r.acquire("a")
		e := failure(t, err, models.KindUnavailable)
		require.Equal(t, `container of "a" did not start: it ended with exit code 1; its last lines: no access with (concealed)`, e.Message)
		require.Equal(t, []string{"a failed did not start: it ended with exit code 1 [no access with (concealed)]"}, r.heard("a failed"))
		text, err := r.s.Logs(t.Context(), "a", 9)
		require.NoError(t, err)
		require.Equal(t, "no access with hf_abcdefgh\n", text)
	})
}

// A secret of which what is shown has but the end is concealed, too.
func TestSecretsAreConcealedBeforeLinesAreCut(t *testing.T) {
	secret := strings.Repeat("s3cret", 20)
	secretive := with(spec("a"), func(s *managed.Spec) { s.Env = []string{"TOKEN=" + secret} })
	virtual(t, settings(secretive), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: true, EndsAfter: time.Second, Logs: secret + " " + strings.Repeat("x", 1900) + "\n"}
	}, func(r *rig) {
		_, err := r.acquire("a")
		require.NotContains(t, failure(t, err, models.KindUnavailable).Message, "s3cret")
		require.NotEmpty(t, r.heard("a failed"))
		require.NotContains(t, r.heard("a failed")[0], "s3cret")
	})
}

func TestSecretsAreConcealedBeforeErrorsAreCut(t *testing.T) {
	secret := strings.Repeat("s3cret", 20)
	secretive := with(spec("a"), func(s *managed.Spec) { s.Env = []string{"TOKEN=" + secret} })
	virtual(t, settings(secretive), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{TryErr: models.Errorf(models.KindInvalid, "%s%s", strings.Repeat("x", 450), secret)}
	}, func(r *rig) {
		_, err := r.acquire("a")
		require.NotContains(t, failure(t, err, models.KindUnavailable).Message, "s3cret")
	})
}
