// Package docker runs containers on a Docker Engine, for package managed. It is the only user of
// the Docker client.
package docker
