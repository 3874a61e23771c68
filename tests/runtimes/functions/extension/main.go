// An external extension that every runtime can have beside it: it needs no interpreter. Says what it hears.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

var api = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")

type event struct {
	Kind      string `json:"eventType"`
	RequestID string `json:"requestId"`
	Reason    string `json:"shutdownReason"`
}

type told struct {
	Kind   string          `json:"type"`
	Record json.RawMessage `json:"record"`
}

func ask(method, path, identifier, body string) (*http.Response, []byte) {
	request, err := http.NewRequest(method, api+path, strings.NewReader(body))
	end(err)
	request.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
	if identifier != "" {
		request.Header.Set("Lambda-Extension-Identifier", identifier)
	}
	response, err := http.DefaultClient.Do(request)
	end(err)
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	end(err)
	if response.StatusCode >= http.StatusMultipleChoices {
		end(fmt.Errorf("%s: %s %s", path, response.Status, said))
	}
	return response, said
}

func end(err error) {
	if err != nil {
		fmt.Println("watcher failed:", err)
		os.Exit(1)
	}
}

// Environments of one instance share its ports, so the system chooses one.
func listen() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	end(err)
	var lock sync.Mutex
	said := map[string]bool{}
	receive := func(_ http.ResponseWriter, request *http.Request) {
		var events []told
		if json.NewDecoder(request.Body).Decode(&events) != nil {
			return
		}
		lock.Lock()
		defer lock.Unlock()
		for _, each := range events {
			if each.Kind == "function" && !strings.Contains(string(each.Record), "ordered") || said[each.Kind] {
				continue
			}
			said[each.Kind] = true
			fmt.Println("watcher was told of", each.Kind)
		}
	}
	go http.Serve(listener, http.HandlerFunc(receive))
	return listener.Addr().(*net.TCPAddr).Port
}

func main() {
	events := `["INVOKE", "SHUTDOWN"]`
	if os.Getenv("AWS_LAMBDA_INITIALIZATION_TYPE") == "lambda-managed-instances" {
		events = `["SHUTDOWN"]`
	}
	registered, _ := ask(http.MethodPost, "/2020-01-01/extension/register", "", `{"events": `+events+`}`)
	identifier := registered.Header.Get("Lambda-Extension-Identifier")
	subscription := `{"schemaVersion": "2025-01-29", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
		"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d/"}}`
	ask(http.MethodPut, "/2022-07-01/telemetry", identifier, fmt.Sprintf(subscription, listen()))
	fmt.Println("watcher registered")
	for {
		_, body := ask(http.MethodGet, "/2020-01-01/extension/event/next", identifier, "")
		var heard event
		end(json.Unmarshal(body, &heard))
		fmt.Println("watcher heard", heard.Kind, heard.RequestID+heard.Reason)
		if heard.Kind == "SHUTDOWN" {
			return
		}
	}
}
