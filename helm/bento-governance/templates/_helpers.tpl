{{/* Names, labels, paths, and the text of governance.toml. */}}
{{- define "bg.name" -}}{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}{{- end }}
{{- define "bg.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "bg.name" .) .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "bg.name" .) | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "bg.selector" -}}
app.kubernetes.io/name: {{ include "bg.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "bg.labels" -}}
{{ include "bg.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "bg.server" -}}
{{ include "bg.selector" . }}
app.kubernetes.io/component: server
{{- end }}
{{- define "bg.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ default (printf "%s-%s" .Chart.AppVersion .Values.image.flavour) .Values.image.tag }}{{ end }}
{{- end }}
{{- define "bg.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "bg.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}
{{- define "bg.grace" -}}
{{- $least := add (int .Values.server.preStopSeconds) (int .Values.server.drainSeconds) -}}
{{ if int .Values.server.terminationGracePeriodSeconds }}{{ int .Values.server.terminationGracePeriodSeconds }}{{ else }}{{ add $least 10 }}{{ end }}
{{- end }}
{{- define "bg.replicas" -}}
{{ if .Values.autoscaling.enabled }}{{ int .Values.autoscaling.minReplicas }}{{ else }}{{ int .Values.replicas }}{{ end }}
{{- end }}
{{- define "bg.settingsConfigMap" -}}{{ default (printf "%s-settings" (include "bg.fullname" .)) .Values.settingsConfigMap }}{{- end }}
{{- define "bg.policyConfigMap" -}}{{ default (printf "%s-policy" (include "bg.fullname" .)) .Values.policy.existingConfigMap }}{{- end }}
{{- define "bg.trustConfigMap" -}}{{ default (printf "%s-trust" (include "bg.fullname" .)) .Values.trust.existingConfigMap }}{{- end }}

{{/* A key's URI: a file of the Secret, which the init container copies into memory, or a key service. */}}
{{- define "bg.key" -}}
{{- if contains ":" . }}{{ . }}{{ else }}file:/run/bento-governance/keys/{{ . }}{{ end }}
{{- end }}
{{- define "bg.trusted" -}}
{{- $paths := list -}}
{{- range . }}{{ $paths = append $paths (printf "/etc/bento-governance/trust/%s" .) }}{{ end -}}
{{ toJson $paths }}
{{- end }}
{{/* Path of a model's sealed file in the pod. Argument: list NAME MODEL. */}}
{{- define "bg.modelPath" -}}
{{- $name := index . 0 }}{{ $model := index . 1 -}}
{{- if eq $model.source "image" }}{{ $model.path }}
{{- else if eq $model.source "claim" }}/models/claim/{{ $model.claim }}/{{ $model.path }}
{{- else }}/models/fetched/{{ $name }}.sealed{{ end }}
{{- end }}

{{/* URL and digest of a downloaded model: of a file, or of a blob of a registry, HOST/NAME@sha256:HEX. */}}
{{- define "bg.modelUrl" -}}
{{- if eq .source "http" }}{{ .url }}
{{- else }}{{ $parts := splitn "/" 2 .reference }}{{ $named := splitn "@" 2 $parts._1 }}https://{{ $parts._0 }}/v2/{{ $named._0 }}/blobs/{{ $named._1 }}{{ end }}
{{- end }}
{{- define "bg.modelDigest" -}}
{{- if eq .source "http" }}{{ .sha256 }}{{ else }}{{ regexReplaceAll "^.*@sha256:" .reference "" }}{{ end }}
{{- end }}

{{/* governance.toml: the sections in .Values.settings, and the keys that the chart sets: paths, keys, models. */}}
{{- define "bg.settings" -}}
{{- $all := deepCopy .Values.settings -}}
{{- $models := dict -}}
{{- range $name, $model := .Values.models }}
  {{- $section := dict "artifact" (include "bg.modelPath" (list $name $model)) -}}
  {{- if $model.groups }}{{ $_ := set $section "groups" $model.groups }}{{ end -}}
  {{- if $model.minimumVersion }}{{ $_ := set $section "minimum_version" (int $model.minimumVersion) }}{{ end -}}
  {{- if $model.maxBatch }}{{ $_ := set $section "max_batch" (int $model.maxBatch) }}{{ end -}}
  {{- if $model.maxBodyBytes }}{{ $_ := set $section "max_body_bytes" (int64 $model.maxBodyBytes) }}{{ end -}}
  {{- $_ := set $models $name $section -}}
{{- end }}
{{- $_ := set $all "models" $models -}}
{{- $artifacts := dict "recipient_key" (include "bg.key" .Values.keys.recipient) "trusted_signers" (include "bg.trusted" .Values.trust.signers | fromJsonArray) "threshold" (int .Values.trust.threshold) -}}
{{- if .Values.trust.cosigners }}{{ $_ := set $artifacts "trusted_cosigners" (include "bg.trusted" .Values.trust.cosigners | fromJsonArray) }}{{ end -}}
{{- $_ := set $all "artifacts" (merge $artifacts (dig "artifacts" dict .Values.settings)) -}}
{{- if gt (int .Values.gpu.count) 0 }}{{ $_ := set $all "runtime" (merge (dict "providers" (list "cuda" "cpu") "require_device" "cuda") (dig "runtime" dict .Values.settings)) }}{{ end -}}
{{- if .Values.apiKeys.secretName }}{{ $_ := set $all "identity" (merge (dict "api_keys" "/run/bento-governance/callers/api-keys.json" "hash_key" (include "bg.key" .Values.keys.apiKeyHash)) (dig "identity" dict .Values.settings)) }}{{ end -}}
{{- $policy := dict "policies" (printf "/etc/bento-governance/policy/%s" .Values.policy.policies) "cedar_schema" (printf "/etc/bento-governance/policy/%s" .Values.policy.schema) -}}
{{- range $key, $file := dict "entities" .Values.policy.entities "links" .Values.policy.links "shadow" .Values.policy.shadow }}
  {{- if $file }}{{ $_ := set $policy $key (printf "/etc/bento-governance/policy/%s" $file) }}{{ end -}}
{{- end }}
{{- $_ := set $all "policy" $policy -}}
{{- if or .Values.stop.configMap .Values.stop.claimName }}{{ $_ := set $all "stop" (dict "file" "/run/bento-governance/stop/stop.json" "trusted_keys" (include "bg.trusted" .Values.stop.trustedKeys | fromJsonArray)) }}{{ end -}}
{{- if or .Values.breakGlass.configMap .Values.breakGlass.claimName }}{{ $_ := set $all "break_glass" (merge (dict "directory" "/run/bento-governance/grants" "trusted_keys" (include "bg.trusted" .Values.breakGlass.trustedKeys | fromJsonArray)) (dig "break_glass" dict .Values.settings)) }}{{ end -}}
{{- $_ := set $all "audit" (merge (dict "directory" "/var/lib/bento-governance/audit" "checkpoint_key" (include "bg.key" .Values.keys.checkpoint)) (dig "audit" dict .Values.settings)) -}}
{{- if .Values.keys.privacyHash }}{{ $_ := set $all "privacy" (merge (dict "hash_key" (include "bg.key" .Values.keys.privacyHash)) (dig "privacy" dict .Values.settings)) }}{{ end -}}
{{- if has "drift" (dig "service" "plugins" list .Values.settings) }}{{ $_ := set $all "drift" (merge (dict "directory" "/tmp/drift") (dig "drift" dict .Values.settings)) }}{{ end -}}
{{ toToml $all }}
{{- end }}
