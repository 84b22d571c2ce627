// Package ratelimit bounds what each caller may ask for: requests and tokens a minute, and
// requests at once; in memory, or shared by several servers through Redis. It knows neither
// keys nor HTTP: a caller is a class and a name.
package ratelimit
