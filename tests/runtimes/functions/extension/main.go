// An external extension that every runtime can have beside it: it needs no interpreter. Says that it is there, waits for the end.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension"
	register, _ := http.NewRequest(http.MethodPost, api+"/register", strings.NewReader(`{"events": ["SHUTDOWN"]}`))
	register.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
	registered, err := http.DefaultClient.Do(register)
	if err != nil || registered.StatusCode != http.StatusOK {
		fmt.Println("the extension could not register", err)
		os.Exit(1)
	}
	registered.Body.Close()
	fmt.Println("the extension is there")
	next, _ := http.NewRequest(http.MethodGet, api+"/event/next", nil)
	next.Header.Set("Lambda-Extension-Identifier", registered.Header.Get("Lambda-Extension-Identifier"))
	event, err := http.DefaultClient.Do(next)
	if err != nil {
		os.Exit(1)
	}
	event.Body.Close()
}
