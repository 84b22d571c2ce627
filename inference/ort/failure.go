//go:build cgo

package ort

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/inference"
)

// cudaFailure is how ONNX Runtime's CUDA provider begins its errors, with cudaError_t's number.
var cudaFailure = regexp.MustCompile(`(?i)\bcuda (?:failure|error) (\d+)\b`)

// stickyErrors are the values of cudaError_t after which a process has no use of the device any
// more: the runtime's documentation says of them that every further call returns the same error,
// or that the process must be ended and started again. The words are cudaGetErrorString's, for
// messages that come without the number.
var stickyErrors = map[int]string{
	214: "uncorrectable ecc error",
	220: "uncorrectable nvlink error",
	700: "an illegal memory access was encountered",
	702: "the launch timed out and was terminated",
	709: "context is destroyed",
	710: "device-side assert triggered",
	714: "hardware stack error",
	715: "an illegal instruction was encountered",
	716: "misaligned address",
	717: "operation not supported on global/shared address space",
	718: "invalid program counter",
	719: "unspecified launch failure",
	721: "invalid resource handle due to a contained error",
}

var memoryWords = []string{"failed to allocate memory", "out of memory", "bad_alloc", "available memory of"}

// classify finds the errors that callers branch on. ONNX Runtime has no code for them, so its
// words are all there is: BFCArena's and CUDA's.
func classify(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	if isSticky(text) {
		return fmt.Errorf("%w: %w", inference.ErrDevice, err)
	}
	for _, words := range memoryWords {
		if strings.Contains(text, words) {
			return fmt.Errorf("%w: %w", inference.ErrOutOfMemory, err)
		}
	}
	return err
}

// isSticky judges by the number where there is one.
func isSticky(text string) bool {
	numbers := cudaFailure.FindAllStringSubmatch(text, -1)
	for _, m := range numbers {
		n, err := strconv.Atoi(m[1])
		if _, ok := stickyErrors[n]; ok && err == nil {
			return true
		}
	}
	if len(numbers) > 0 || !strings.Contains(text, "cuda") {
		return false
	}
	for _, words := range stickyErrors {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
