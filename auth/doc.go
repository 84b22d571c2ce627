// Package auth tells who is calling and what they may use. It holds hashes of keys, never keys,
// and knows neither HTTP nor the configuration's format.
package auth
