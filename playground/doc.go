// Package playground holds the pages that the server serves, and the API's description: the
// OpenAPI document and its viewer. All of it is in the program; no page loads anything from
// another server.
//
// The document is openapi.yaml, the viewer's page is in docs/, and assets/ holds what
// `make playground` copies out of the npm packages in package-lock.json. Node is needed for
// that alone.
package playground
