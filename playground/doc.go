// Package playground holds the pages that the server serves: one to try the models, and the
// API's description, which is the OpenAPI document and its viewer. All of it is in the program;
// no page loads anything from another server.
//
// The document is openapi.yaml and its viewer's page is in docs/. The playground's sources are in
// app/. assets/ holds what `make playground` builds of them, and copies out of the npm packages in
// package-lock.json. Node is needed for that alone.
package playground
