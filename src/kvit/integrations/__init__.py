"""Exchange with the world around: company folders today; CRM, ERP and webhooks later."""
