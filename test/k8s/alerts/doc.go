// Package alerts asks Prometheus' own engine what the alerts and the dashboard ask for. It is a
// module of its own, so that the server does not depend on Prometheus.
package alerts
