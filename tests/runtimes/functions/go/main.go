// Does what the event says; the tests ask the same of every custom runtime.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do      string `json:"do"`
	N       int    `json:"n"`
	Meeting string `json:"meeting"`
	Count   int    `json:"count"`
	Seconds int    `json:"seconds"`
	Status  int    `json:"status"`
	Item    string `json:"item"`
}

type answer struct {
	N         int    `json:"n"`
	RequestID string `json:"request_id"`
	ProcessID int    `json:"process_id"`
	Item      string `json:"item,omitempty"`
	Total     int    `json:"total,omitempty"`
	Shop      string `json:"shop,omitempty"`
}

func handle(ctx context.Context, asked event) (answer, error) {
	invocation, _ := lambdacontext.FromContext(ctx)
	switch asked.Do {
	case "order":
		return order(asked)
	case "meet":
		if err := meet(asked, invocation.AwsRequestID); err != nil {
			return answer{}, err
		}
	case "wait":
		time.Sleep(time.Duration(asked.Seconds) * time.Second)
	case "fail":
		return answer{}, errors.New("asked to fail")
	case "panic":
		panic("asked to panic")
	case "exit":
		os.Exit(asked.Status)
	case "crash":
		return answer{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return answer{N: asked.N, RequestID: invocation.AwsRequestID, ProcessID: os.Getpid()}, nil
}

// What an ordinary function does: a file of a layer, a variable, a line of log.
func order(asked event) (answer, error) {
	rate, err := os.ReadFile("/opt/rate")
	if err != nil {
		return answer{}, err
	}
	price, err := strconv.Atoi(strings.TrimSpace(string(rate)))
	item := strings.ToUpper(asked.Item[:1]) + asked.Item[1:]
	fmt.Println("ordered", item, asked.N)
	return answer{N: asked.N, Item: item, Total: asked.N * price, Shop: os.Getenv("SHOP")}, err
}

// Every invocation waits until all of them have arrived: they can only end when they run at the same time.
func meet(asked event, requestID string) error {
	if err := os.WriteFile(filepath.Join(asked.Meeting, requestID), nil, 0o600); err != nil {
		return err
	}
	for {
		there, err := os.ReadDir(asked.Meeting)
		if err != nil || len(there) >= asked.Count {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	lambda.Start(handle)
}
