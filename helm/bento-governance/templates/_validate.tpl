{{/* Refuses values that contradict each other; each message says what to set. */}}
{{- define "bg.validate" -}}
{{- $v := .Values -}}
{{- $settings := default dict $v.settings -}}
{{- $most := ternary (int $v.autoscaling.maxReplicas) (int $v.replicas) $v.autoscaling.enabled -}}
{{- if not $v.models }}{{ fail "models: configure at least one model and the source of its sealed file" }}{{ end }}
{{- if and $v.settingsConfigMap $v.settings }}{{ fail "settings and settingsConfigMap: set one of them, not both" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (not (dig "service" "name" "" $settings)) }}{{ fail "settings.service.name: set the service's name; policies refer to it" }}{{ end }}
{{- if and $v.policy.files $v.policy.existingConfigMap }}{{ fail "policy.files and policy.existingConfigMap: set one of them, not both" }}{{ end }}
{{- if not (or $v.policy.files $v.policy.existingConfigMap) }}{{ fail "policy: set the Cedar policies in policy.files or policy.existingConfigMap; without policies every request is denied" }}{{ end }}
{{- if $v.policy.files }}{{ range $file := compact (list $v.policy.policies $v.policy.schema $v.policy.entities $v.policy.links $v.policy.shadow) }}
  {{- if not (hasKey $v.policy.files $file) }}{{ fail (printf "policy.files: the file '%s' is missing" $file) }}{{ end }}
{{- end }}{{ end }}
{{- if and $v.trust.publicKeys $v.trust.existingConfigMap }}{{ fail "trust.publicKeys and trust.existingConfigMap: set one of them, not both" }}{{ end }}
{{- if not (or $v.trust.publicKeys $v.trust.existingConfigMap) }}{{ fail "trust: set the public keys of the model signers in trust.publicKeys or trust.existingConfigMap" }}{{ end }}
{{- $stops := or $v.stop.configMap $v.stop.claimName }}{{ $breaks := or $v.breakGlass.configMap $v.breakGlass.claimName -}}
{{- if $v.trust.publicKeys }}{{ range $file := concat $v.trust.signers $v.trust.cosigners (ternary $v.stop.trustedKeys list (not (empty $stops))) $v.breakGlass.trustedKeys }}
  {{- if not (hasKey $v.trust.publicKeys $file) }}{{ fail (printf "trust.publicKeys: the file '%s' is missing" $file) }}{{ end }}
{{- end }}{{ end }}
{{- if gt (int $v.trust.threshold) (len $v.trust.signers) }}{{ fail "trust.threshold: must not be above the number of trust.signers" }}{{ end }}
{{- if and $v.keys.secretName $v.keys.secretProviderClass }}{{ fail "keys.secretName and keys.secretProviderClass: set one of them, not both" }}{{ end }}
{{- if not (or $v.keys.secretName $v.keys.secretProviderClass) }}{{ range $key := compact (list $v.keys.recipient $v.keys.checkpoint $v.keys.apiKeyHash $v.keys.privacyHash) }}
  {{- if not (contains ":" $key) }}{{ fail (printf "keys: '%s' is a file; set keys.secretName or keys.secretProviderClass that contains it, or use the URI of a key service" $key) }}{{ end }}
{{- end }}{{ end }}
{{- if and $v.apiKeys.secretName (not $v.keys.apiKeyHash) }}{{ fail "apiKeys.secretName: API keys need keys.apiKeyHash, the secret for their hashes" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (not $v.apiKeys.secretName) (not (dig "identity" "issuers" "" $settings)) (not (dig "identity" "certificates" "" $settings)) }}{{ fail "no caller could be authenticated: set apiKeys.secretName, settings.identity.issuers or settings.identity.certificates" }}{{ end }}
{{- range $name, $model := $v.models }}
  {{- if and (has $model.source (list "image" "claim")) (not $model.path) }}{{ fail (printf "models.%s: the source '%s' needs path, the sealed file" $name $model.source) }}{{ end }}
  {{- if and (eq $model.source "claim") (not $model.claim) }}{{ fail (printf "models.%s: the source 'claim' needs claim, the name of a PersistentVolumeClaim" $name) }}{{ end }}
  {{- if and (eq $model.source "http") (not (and $model.url $model.sha256)) }}{{ fail (printf "models.%s: the source 'http' needs url and sha256; another file is refused" $name) }}{{ end }}
  {{- if and (eq $model.source "oci") (not $model.reference) }}{{ fail (printf "models.%s: the source 'oci' needs reference, HOST/NAME@sha256:... with the blob's digest" $name) }}{{ end }}
{{- end }}
{{- if and $v.stop.configMap $v.stop.claimName }}{{ fail "stop.configMap and stop.claimName: set one of them, not both" }}{{ end }}
{{- if and $stops (not $v.stop.trustedKeys) }}{{ fail "stop.trustedKeys: set the keys that may sign the kill switch's orders" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (has "stop" (dig "service" "plugins" list $settings)) (not $stops) }}{{ fail "the plugin 'stop' needs stop.configMap or stop.claimName" }}{{ end }}
{{- if and $stops (not $v.settingsConfigMap) (not (has "stop" (dig "service" "plugins" list $settings))) }}{{ fail "stop: the kill switch needs the plugin 'stop'; settings.service.plugins must list it" }}{{ end }}
{{- if and $v.breakGlass.configMap $v.breakGlass.claimName }}{{ fail "breakGlass.configMap and breakGlass.claimName: set one of them, not both" }}{{ end }}
{{- if and $breaks (lt (len $v.breakGlass.trustedKeys) 2) }}{{ fail "breakGlass.trustedKeys: a grant needs two signatures; set at least two keys" }}{{ end }}
{{- if and (gt $most 1) (not $v.redis.secretName) (not $v.limits.perReplica) }}{{ fail "more than one replica: set redis.secretName, so that all replicas count limits in one Redis, or set limits.perReplica: true, so that each counts on its own" }}{{ end }}
{{- if and $v.redis.secretName $v.limits.perReplica }}{{ fail "redis.secretName and limits.perReplica: set one of them, not both" }}{{ end }}
{{- if and $v.server.terminationGracePeriodSeconds (le (int $v.server.terminationGracePeriodSeconds) (add (int $v.server.preStopSeconds) (int $v.server.drainSeconds) | int)) }}{{ fail "server.terminationGracePeriodSeconds: must be longer than preStopSeconds + drainSeconds, or requests are aborted; 0 computes it" }}{{ end }}
{{- if and (gt (int $v.gpu.count) 0) (ne $v.image.flavour "gpu") }}{{ fail "gpu.count: GPUs need an image built with --runtime gpu; set image.flavour: gpu" }}{{ end }}
{{- if and (eq $v.image.flavour "gpu") (eq (int $v.gpu.count) 0) }}{{ fail "image.flavour: an image for GPUs needs gpu.count above 0" }}{{ end }}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) }}{{ fail "autoscaling: minReplicas is above maxReplicas" }}{{ end }}
{{- if and $v.podDisruptionBudget.enabled (ge (int $v.podDisruptionBudget.minAvailable) (int (include "bg.replicas" .))) }}{{ fail "podDisruptionBudget.minAvailable: must be below the number of replicas, or no node can be drained" }}{{ end }}
{{- if $v.ingress.enabled }}
  {{- if not (and $v.ingress.host $v.ingress.tlsSecretName) }}{{ fail "ingress: needs host and tlsSecretName; without TLS personal data would not be encrypted in transit" }}{{ end }}
{{- end }}
{{- if and $v.serviceMonitor.enabled (not $v.serviceMonitor.credentialsSecretName) (not (dig "metrics" "trusted_networks" "" $settings)) }}{{ fail "serviceMonitor.credentialsSecretName: Prometheus needs a credential whose role may read /metrics" }}{{ end }}
{{- if and $v.serviceMonitor.enabled $v.networkPolicy.enabled (not $v.networkPolicy.prometheus) }}{{ fail "networkPolicy.prometheus: set the peers of Prometheus, or it cannot scrape" }}{{ end }}
{{- if $v.networkPolicy.enabled }}
  {{- if and $v.redis.secretName (not $v.networkPolicy.redis.to) }}{{ fail "networkPolicy.redis.to: set the peers of Redis, or the pods cannot reach it" }}{{ end }}
  {{- range $key := list $v.keys.recipient $v.keys.checkpoint }}{{ if and (regexMatch "^(awskms|vault):" $key) (not $v.networkPolicy.keyService.to) }}{{ fail "networkPolicy.keyService.to: set the peers of the key service, or the pods cannot reach it" }}{{ end }}{{ end }}
  {{- range $name, $model := $v.models }}{{ if and (has $model.source (list "http" "oci")) (not $v.networkPolicy.artifacts.to) }}{{ fail "networkPolicy.artifacts.to: set the peers from which models are downloaded, or the pods cannot reach them" }}{{ end }}{{ end }}
  {{- range $name, $issuer := dig "identity" "issuers" dict $settings }}{{ if and (not $issuer.jwks_file) (not $v.networkPolicy.identityProvider.to) }}{{ fail (printf "networkPolicy.identityProvider.to: set the peers of the issuer '%s', or its signing keys cannot be fetched" $name) }}{{ end }}{{ end }}
  {{- if and (dig "tracing" "endpoint" "" $settings) (not $v.networkPolicy.tracing.to) }}{{ fail "networkPolicy.tracing.to: set the peers of the collector in settings.tracing.endpoint, or all spans are lost" }}{{ end }}
  {{- range $route := dig "routes" list $settings }}{{ if and $route.fetch_hosts (not $v.networkPolicy.fetch.to) }}{{ fail "networkPolicy.fetch.to: set the peers of the hosts in fetch_hosts, or the pods cannot fetch from them" }}{{ end }}{{ end }}
{{- end }}
{{- include "bg.validateExtras" . }}
{{- if and $v.prometheusRule.enabled (not (.Files.Glob "files/rules/*.yaml")) }}{{ fail "prometheusRule: this copy of the chart has no files/rules; package it again from a complete checkout" }}{{ end }}
{{- if and $v.dashboards.enabled (not (.Files.Glob "files/dashboards/*.json")) }}{{ fail "dashboards: this copy of the chart has no files/dashboards; package it again from a complete checkout" }}{{ end }}
{{- end }}
{{/* Refuses mounts of volumes that the user did not add: the chart's volumes hold keys and logs. */}}
{{- define "bg.validateExtras" -}}
{{- $v := .Values }}{{ $names := list }}{{ $mounts := $v.extraVolumeMounts -}}
{{- range $v.extraVolumes }}{{ $names = append $names .name }}{{ end -}}
{{- if $v.serviceAccount.tokenAudience }}{{ $names = append $names "service-account-token" }}{{ end -}}
{{- range $v.extraContainers }}{{ $mounts = concat $mounts (default list .volumeMounts) }}{{ end -}}
{{- range $mounts }}{{ if not (has .name $names) }}{{ fail (printf "extraVolumeMounts and extraContainers: '%s' is none of extraVolumes; the volumes of the chart cannot be mounted%s" .name (ternary "; service-account-token needs serviceAccount.tokenAudience" "" (eq .name "service-account-token"))) }}{{ end }}{{ end -}}
{{- range $v.extraVolumeMounts }}{{ if hasPrefix (printf "%s/" .mountPath) $v.bento.settingsPath }}{{ fail (printf "extraVolumeMounts: '%s' would hide bento.settingsPath" .mountPath) }}{{ end }}{{ end -}}
{{- $added := toJson (list $v.extraVolumes $v.extraEnvFrom $v.extraContainers) -}}
{{- range $secret := compact (list $v.keys.secretName $v.keys.secretProviderClass) }}{{ if contains (printf "%q" $secret) $added }}{{ fail (printf "extraVolumes, extraEnvFrom and extraContainers must not name '%s', which holds the service's private keys" $secret) }}{{ end }}{{ end -}}
{{- end }}
