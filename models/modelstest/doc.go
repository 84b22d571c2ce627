// Package modelstest holds the contract of the models package as tests, and fakes.
//
// [RunEmbedder], [RunReranker] and their like run over any implementation, local or remote, real or
// fake: what they ask is what the HTTP layer relies on. The package knows no implementation;
// what a number should be is for the golden tests of each one.
package modelstest
